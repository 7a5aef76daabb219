// Vector scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2, equation 8 with a diagonal W).
#include <deque>
#include <limits>
#include <numeric>

#include "scalings/softmax.hpp"

namespace assay {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
void add(Vector& to, double factor, const Vector& v) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] += factor * v[i];
}

/// The Hessian's 2 x 2 block of a class: means of q, q z and q z^2, where q = p (1 - p).
struct Block {
  double q = 0, qz = 0, qzz = 0;
};

/// The mean NLL at the weights, then the biases, in `at`.
struct Point {
  Vector at, gradient;
  double nll = 0;
  std::vector<Block> blocks;
  bool all_right = true;  ///< every label's logit is the largest
};

Point point(const HeldOut& held_out, Vector at) {
  const auto classes = static_cast<std::size_t>(held_out.classes);
  Point mean{.at = std::move(at), .gradient = Vector(2 * classes), .blocks = std::vector<Block>(classes)};
  Vector p(classes);
  each_row(held_out, [&](std::span<const float> logits, std::size_t label, std::int64_t) {
    for (std::size_t k = 0; k < classes; ++k) p[k] = mean.at[k] * static_cast<double>(logits[k]) + mean.at[classes + k];
    const double of_label = p[label];
    for (std::size_t k = 0; k < classes; ++k) mean.all_right = mean.all_right && (k == label || p[k] < of_label);
    mean.nll += softmax(p) - of_label;
    for (std::size_t k = 0; k < classes; ++k) {
      const double z = static_cast<double>(logits[k]), error = p[k] - (k == label ? 1.0 : 0.0);
      const double q = p[k] * (1 - p[k]) + 1e-12;  // so that every block has an inverse
      mean.gradient[k] += error * z;
      mean.gradient[classes + k] += error;
      mean.blocks[k].q += q;
      mean.blocks[k].qz += q * z;
      mean.blocks[k].qzz += q * z * z;
    }
  });
  const auto n = static_cast<double>(held_out.n);
  mean.nll /= n;
  for (double& g : mean.gradient) g /= n;
  for (Block& block : mean.blocks) block = {block.q / n, block.qz / n, block.qzz / n};
  return mean;
}

double largest(const Vector& v) {
  double size = 0;
  for (const double x : v) size = std::max(size, std::abs(x));
  return size;
}

/// Divides v by the Hessian's blocks: logits of any scale and offset converge alike.
void precondition(const std::vector<Block>& blocks, Vector& v) {
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const auto& [q, qz, qzz] = blocks[k];
    double &weight = v[k], &bias = v[blocks.size() + k];
    const double centre = qz / q, spread = std::max(qzz - centre * qz, 1e-12 * qzz + 1e-300);
    weight = (weight - centre * bias) / spread;
    bias = bias / q - centre * weight;
  }
}

/// How far a step moves the logits of the class that it moves most: root mean square.
double shift(const std::vector<Block>& blocks, const Vector& step) {
  double most = 0;
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const auto& [q, qz, qzz] = blocks[k];
    const double weight = step[k], bias = step[blocks.size() + k];
    most = std::max(most, (qzz * weight * weight + 2 * qz * weight * bias + q * bias * bias) / q);
  }
  return std::sqrt(most);
}

/// Limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4).
class Memory {
 public:
  void add(const Point& from, const Point& to) {
    Pair pair{to.at, to.gradient};
    assay::add(pair.step, -1, from.at);
    assay::add(pair.change, -1, from.gradient);
    pair.product = dot(pair.step, pair.change);
    if (pair.product <= 0) return;
    pairs_.push_back(std::move(pair));
    if (pairs_.size() > 10) pairs_.pop_front();
  }
  Vector direction(const Point& from) const {
    Vector v = from.gradient;
    std::vector<double> along;
    for (auto pair = pairs_.rbegin(); pair != pairs_.rend(); ++pair) {
      along.push_back(dot(pair->step, v) / pair->product);
      assay::add(v, -along.back(), pair->change);
    }
    precondition(from.blocks, v);
    for (const Pair& pair : pairs_) {
      assay::add(v, along.back() - dot(pair.change, v) / pair.product, pair.step);
      along.pop_back();
    }
    for (double& x : v) x = -x;
    return v;
  }

 private:
  struct Pair {
    Vector step, change;
    double product = 0;
  };
  std::deque<Pair> pairs_;
};

/// A point down the direction where the slope along it has at least halved and the NLL has not risen: as the NLL is
/// convex, halving or doubling the step finds one. `from` itself where rounding leaves none.
Point search(const HeldOut& held_out, const Point& from, const Vector& direction) {
  const double slope = dot(from.gradient, direction);
  double shortest = 0, longest = std::numeric_limits<double>::infinity(), length = 1;
  for (int trial = 0; trial < 80; ++trial) {
    Vector at = from.at;
    add(at, length, direction);
    Point to = point(held_out, std::move(at));
    const double there = dot(to.gradient, direction);
    if (to.nll > from.nll + 1e-12 * std::max(1.0, from.nll) || there > -slope / 2)
      longest = length;
    else if (there < slope / 2)
      shortest = length;
    else
      return to;
    length = std::isinf(longest) ? 2 * length : (shortest + longest) / 2;
  }
  return from;
}

[[noreturn]] void throw_no_minimum(const std::string& why) {
  throw Error(ExitCode::input, "the NLL of the held-out split has no minimum: " + why,
              "fit on more samples, which the model was not trained on, or fit a temperature");
}

Parameters fit(const HeldOut& held_out) {
  const std::vector<std::int64_t> counts = label_counts(held_out);
  for (std::size_t k = 0; k < counts.size(); ++k)
    if (counts[k] == 0)
      throw_no_minimum(
          fmt::format("no sample has the label {}, so that it falls for ever with the bias of that class", k));
  Vector start(2 * counts.size(), 1.0);
  std::fill(start.begin() + held_out.classes, start.end(), 0.0);
  Point now = point(held_out, std::move(start));
  Memory memory;
  for (int iteration = 0;; ++iteration) {
    if (now.all_right)
      throw_no_minimum(
          fmt::format("weights and biases exist that make the label's logit the largest in all of its {} "
                      "samples, so that it falls for ever as they grow",
                      held_out.n));
    const Vector direction = memory.direction(now);
    const double gradient = largest(now.gradient);
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (gradient <= 1e-8 && now.blocks[k].q <= 1e-9)
        throw_no_minimum(
            fmt::format("class {} is told from the others without an error, so that it falls for ever as "
                        "weights and biases grow",
                        k));
    Vector by_blocks = now.gradient;
    precondition(now.blocks, by_blocks);
    const double moved = std::max(shift(now.blocks, direction), shift(now.blocks, by_blocks));
    if (gradient <= 1e-8 && moved <= 1e-5) break;
    Point next = gradient <= 1e-11 || iteration == 500 ? now : search(held_out, now, direction);
    if (next.at == now.at) {
      // At a minimum steps vanish with the gradient; down a tail like exp(-x) they stay about 1.
      if (gradient <= 1e-8 && moved > 0.1)
        throw_no_minimum(
            "some classes are told from others without an error, so that it falls for ever as weights and biases grow");
      if (gradient <= 1e-8) break;
      throw Error(ExitCode::input,
                  fmt::format("the NLL of the held-out split is not at a minimum after {} iterations: its largest "
                              "partial derivative is still {:.3g}",
                              iteration, gradient),
                  "fit on more samples, or fit a temperature");
    }
    memory.add(now, next);
    now = std::move(next);
  }
  const auto biases = now.at.begin() + held_out.classes;
  Vector weight(now.at.begin(), biases), bias(biases, now.at.end());
  // The softmax leaves their mean open.
  const double mean = std::accumulate(bias.begin(), bias.end(), 0.0) / static_cast<double>(bias.size());
  for (double& b : bias) b -= mean;
  return {{"weight", weight}, {"bias", bias}, {"gradient", {largest(now.gradient)}}};
}

void apply(const Parameters& fitted, int classes, std::int64_t n, const float* logits, float* scaled) {
  const Vector &weight = fitted.at("weight"), &bias = fitted.at("bias");
  change_rows(classes, n, logits, scaled, [&](std::size_t k, double z) { return weight.at(k) * z + bias.at(k); });
}

ASSAY_SCALING("vector",
              .definition =
                  "softmax(w z + b), a weight and a bias a class, which minimise the NLL of the held-out "
                  "split from w = 1, b = 0; the mean of b is 0 (Guo et al. 2017)",
              .fit = fit, .apply = apply, .to_logits = true);

}  // namespace
}  // namespace assay
