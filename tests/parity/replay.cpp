// assay_replay: an attack fed recorded answers, for comparing every iterate with a peer's.
//   assay_replay NAME --clean C.npy --gradients G.npy --out O.npy [--start S.npy] [--logits L.npy --labels Y.npy
//   [--targets T.npy]] [--param key=value ...]
// clean and start: N x C x H x W float32; gradients and out: steps x N x C x H x W; logits: steps x N x classes; labels
// and targets: N integers. Without a start it begins at clean. Without logits the loss is 0 everywhere.
//   assay_replay NORM --project T.npy --normals W.npy --offsets C.npy --out O.npy
// FAB's projection of points in the box, N x D float32, onto hyperplanes with these normals and offsets <w, t> - b
// (N float64), in the norm linf, l2 or l1: writes what is added to the points.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "assay/attack.hpp"
#include "assay/core/buffer.hpp"
#include "assay/core/error.hpp"
#include "assay/loss.hpp"
#include "attacks/fab_projection.hpp"
#include "cli/cli.hpp"
#include "core/rows.hpp"
#include "data/npy.hpp"

namespace assay {
namespace {

struct Options {
  std::string name, clean, start, gradients, logits, labels, targets, out, project, normals, offsets;
  std::vector<std::string> params;
};

void replay(const Options& options) {
  std::vector<std::string> words;
  for (const std::string& p : options.params) words.push_back("--" + p);
  const Perturbation p = check_perturbation(Perturbation::Kind::attack, options.name, cli::parse_params(words), "");
  const auto attack = Registry<AttackEntry>::find(p.name)->make(p.params);
  const NpyArray clean = read_npy(options.clean), gradients = read_npy(options.gradients);
  const std::vector<float> x = clean.values<float>(), g = gradients.values<float>();
  if (clean.shape.size() != 4 || gradients.shape.size() != 5 || gradients.size() != gradients.shape[0] * clean.size())
    throw Error(ExitCode::input,
                "clean " + shape_text(clean.shape) + " and gradients " + shape_text(gradients.shape) + " do not fit");
  const std::int64_t n = clean.shape[0], dim = clean.size() / n, steps = gradients.shape[0];

  const Exec exec;
  std::vector<LaneItem> items(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < items.size(); ++i)
    items[i] = {static_cast<std::uint32_t>(i), static_cast<float>(real_param(p.params, "epsilon")), 0, 0};
  std::vector<float> point(x.size()), iterates;
  const Buffer<float> scratch(exec, n * dim * attack->scratch_rows);
  const Buffer<std::byte> state(exec, n * static_cast<std::int64_t>(attack->lane_bytes));
  std::vector<Verdict> verdict(items.size(), Verdict::fresh);
  const std::vector<Seen> seen(items.size(), Seen::right);  // no success ends an item
  std::vector<float> value(items.size()), z, cotangent;
  std::vector<std::uint16_t> label(items.size()), target(items.size(), kNoTarget);
  const auto numbers = [&](const std::string& file, std::vector<std::uint16_t>& into) {
    if (file.empty()) return;
    const std::vector<std::int64_t> read = read_npy(file).values<std::int64_t>();
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::uint16_t>(read.at(i));
  };
  numbers(options.labels, label);
  numbers(options.targets, target);
  std::int64_t classes = 0;
  if (!options.logits.empty()) {
    const NpyArray logits = read_npy(options.logits);
    z = logits.values<float>();
    classes = logits.shape.back();
    cotangent.resize(static_cast<std::size_t>(n * classes));
  }
  std::vector<std::uint8_t> ever(items.size());
  LaneBatch lanes;
  lanes.lanes = n;
  lanes.dim = dim;
  lanes.classes = static_cast<int>(classes);
  lanes.item = items.data();
  lanes.state = state.data();
  lanes.clean = x.data();
  lanes.point = point.data();
  lanes.scratch = scratch.data();
  lanes.value = value.data();
  lanes.label = label.data();
  lanes.target = target.data();
  lanes.seen = seen.data();
  lanes.ever = ever.data();
  lanes.verdict = verdict.data();
  attack->start(exec, lanes);
  if (!options.start.empty()) point = read_npy(options.start).values<float>();
  lanes.point = point.data();
  for (std::int64_t step = 0; step < steps; ++step) {
    lanes.gradient = g.data() + step * n * dim;
    if (classes > 0)
      Registry<Loss>::find(attack->loss)
          ->evaluate(exec, {n, static_cast<int>(classes), z.data() + step * n * classes, label.data(), target.data(),
                            value.data(), cotangent.data()});
    attack->advance(exec, lanes);
    iterates.insert(iterates.end(), point.begin(), point.end());
  }
  write_npy(options.out, "<f4", gradients.shape, iterates.data(), iterates.size() * sizeof(float));
}

template <Norm norm>
struct Project {
  std::int64_t dim;
  const float *point, *normal;
  const double* offset;
  float* out;

  template <class Team>
  void operator()(Team& team, std::int64_t r) const {
    const float *const t = point + r * dim, *const w = normal + r * dim;
    const BoxProjection<norm> nearest(team, dim, t, w, offset[r], BoxProjection<norm>::whole(team, dim, w));
    team.map(dim, out + r * dim, [=](float p, float v) { return nearest.shift(p, v); }, t, w);
  }
};

template <Norm norm>
void project(const Options& options) {
  const NpyArray points = read_npy(options.project);
  const std::vector<float> t = points.values<float>(), w = read_npy(options.normals).values<float>();
  const std::vector<double> c = read_npy(options.offsets).values<double>();
  const std::int64_t n = points.shape.at(0);
  if (w.size() != t.size() || std::ssize(c) != n)
    throw Error(ExitCode::input, "points, normals and offsets do not fit");
  std::vector<float> shift(t.size());
  for_each_team(Exec{}, n, Project<norm>{points.size() / n, t.data(), w.data(), c.data(), shift.data()});
  write_npy(options.out, "<f4", points.shape, shift.data(), shift.size() * sizeof(float));
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  CLI::App app{"feeds recorded gradients to an attack"};
  assay::Options options;
  app.add_option("name", options.name)->required();
  CLI::Option* const projected = app.add_option("--project", options.project);
  app.add_option("--normals", options.normals)->needs(projected);
  app.add_option("--offsets", options.offsets)->needs(projected);
  app.add_option("--clean", options.clean)->excludes(projected);
  app.add_option("--gradients", options.gradients)->excludes(projected);
  app.add_option("--out", options.out)->required();
  app.add_option("--start", options.start);
  app.add_option("--logits", options.logits);
  app.add_option("--labels", options.labels);
  app.add_option("--targets", options.targets);
  app.add_option("--param", options.params);
  CLI11_PARSE(app, argc, argv);
  try {
    if (options.project.empty())
      assay::replay(options);
    else if (options.name == "linf")
      assay::project<assay::Norm::linf>(options);
    else if (options.name == "l2")
      assay::project<assay::Norm::l2>(options);
    else
      assay::project<assay::Norm::l1>(options);
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 70;
  }
}
