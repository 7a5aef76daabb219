#pragma once
#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "assay/sweep.hpp"
#include "cuda/linear_model.hpp"
#include "engine/evaluate.hpp"
#include "images.hpp"

namespace assay {

struct Attacked {
  std::vector<SampleRow> rows;
  std::vector<float> points;           ///< n x dim; with `full` the last iterates
  std::vector<std::uint64_t> passes;   ///< as in AttackExport
  std::vector<TraceStep> trace;        ///< where it was asked for
  std::vector<std::uint16_t> targets;  ///< where it has some
};

struct AttackOptions {
  std::int64_t batch = 16;
  std::uint64_t seed = 3;
  bool full = true;
  std::vector<std::int64_t> cuts = {};  ///< where the data set is cut into units
  bool trace = false;
  std::vector<float> starts = {};  ///< n x dim: as if they came from a file
};

/// Runs a registered attack over a whole data set as the engine does. Parameters left out take their defaults.
inline Attacked attack(const std::string& name, Params params, const DataSet& data, Model& model,
                       const AttackOptions& options = {}) {
  params["full"] = options.full;
  if (!options.starts.empty()) params["start"] = std::string("file:test");
  const Perturbation perturbation = check_perturbation(Perturbation::Kind::attack, name, params, "test");
  const StopFlag stop{false};
  Evaluator evaluator({}, data, options.batch, options.seed, stop);
  Attacked all;
  std::int64_t lo = 0;
  std::vector<std::int64_t> ends = options.cuts;
  ends.push_back(data.n);
  for (const std::int64_t hi : ends) {
    AttackExport got;
    if (options.trace) got.trace.emplace();
    std::span<const float> starts = options.starts;
    if (!starts.empty())
      starts =
          starts.subspan(static_cast<std::size_t>(lo * data.dim()), static_cast<std::size_t>((hi - lo) * data.dim()));
    const UnitResult unit = evaluator.attacked(perturbation, lo, hi, model, &got, starts);
    if (!unit.error.empty()) throw std::runtime_error(unit.error);
    all.rows.insert(all.rows.end(), unit.rows.begin(), unit.rows.end());
    all.points.insert(all.points.end(), got.points.begin(), got.points.end());
    all.passes.insert(all.passes.end(), got.passes.begin(), got.passes.end());
    all.targets.insert(all.targets.end(), got.targets.begin(), got.targets.end());
    if (got.trace) all.trace.insert(all.trace.end(), got.trace->begin(), got.trace->end());
    lo = hi;
  }
  return all;
}

/// What a perturbation's size is in the ball's norm, "linf", "l2" or "l1".
inline double norm_of(const std::string& norm, const float* point, const float* clean, std::int64_t dim) {
  double most = 0, squares = 0, sum = 0;
  for (std::int64_t i = 0; i < dim; ++i) {
    const double d = std::abs(static_cast<double>(point[i]) - static_cast<double>(clean[i]));
    most = std::max(most, d);
    squares += d * d;
    sum += d;
  }
  if (norm == "linf") return most;
  if (norm == "l2") return std::sqrt(squares);
  if (norm == "l1") return sum;
  throw std::runtime_error("no test knows the norm " + norm);
}

/// The norm's dual: how far a linear function w rises within the unit ball.
inline double dual_norm(const std::string& norm, const std::vector<float>& w) {
  double sum = 0, squares = 0, most = 0;
  for (const float v : w) {
    most = std::max(most, std::abs(static_cast<double>(v)));
    sum += std::abs(static_cast<double>(v));
    squares += static_cast<double>(v) * static_cast<double>(v);
  }
  if (norm == "linf") return sum;
  if (norm == "l2") return std::sqrt(squares);
  if (norm == "l1") return most;
  throw std::runtime_error("no test knows the norm " + norm);
}

/// How far w x rises from each clean image to its last iterate, in double.
inline std::vector<double> rises(const std::vector<float>& w, const DataSet& data, const std::vector<float>& points) {
  std::vector<double> all;
  for (std::size_t at = 0; at < points.size(); at += w.size()) {
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i)
      sum +=
          static_cast<double>(w[i]) * (static_cast<double>(points[at + i]) - static_cast<double>(data.floats[at + i]));
    all.push_back(sum);
  }
  return all;
}

/// Weights in (-scale, scale), none of them 0.
inline std::vector<float> direction(std::int64_t dim, double scale = 1) {
  std::vector<float> w;
  Lcg random(77);
  for (std::int64_t i = 0; i < dim; ++i)
    w.push_back(static_cast<float>(scale * (static_cast<double>(random.below(2000)) - 999.5) / 1000));
  return w;
}

/// Gray-ish data of label 0 that no ball of a small radius takes out of the box.
inline DataSet inner_data(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) {
  DataSet data = float_data(n, c, h, w, 0.4f, 0.6f, 2);
  for (std::uint16_t& label : data.labels) label = 0;
  return data;
}

}  // namespace assay
