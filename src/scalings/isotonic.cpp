// Isotonic regression of each class against the others (Zadrozny & Elkan 2002, "Transforming classifier scores into
// accurate multiclass probability estimates", section 3), as scikit-learn's CalibratedClassifierCV has it.
#include "scalings/softmax.hpp"

namespace assay {
namespace {

/// Samples of one fitted value, from the least probability to the greatest.
struct Pool {
  double first, last;
  std::int64_t hits, count;
};

/// A softmax probability of a class, and whether it is the label.
using Scored = std::pair<float, bool>;

/// Pools adjacent violators: fitted values rise strictly from pool to pool. Counts are compared as integers, so that
/// no rounding decides.
std::vector<Pool> pool(std::vector<Scored>& scored) {
  std::ranges::sort(scored);
  std::vector<Pool> tied;
  for (const auto& [score, hit] : scored) {
    const double p = static_cast<double>(score);
    // scikit-learn's tolerance: the resolution of float64.
    if (tied.empty() || p - tied.back().first >= 1e-15) tied.push_back({p, p, 0, 0});
    tied.back().hits += hit ? 1 : 0;
    ++tied.back().count;
  }
  std::vector<Pool> pools;
  for (Pool next : tied) {
    while (!pools.empty() && pools.back().hits * next.count >= next.hits * pools.back().count) {
      const Pool& before = pools.back();
      next = {before.first, next.last, before.hits + next.hits, before.count + next.count};
      pools.pop_back();
    }
    pools.push_back(next);
  }
  return pools;
}

std::string name(const char* axis, std::size_t k) {
  return fmt::format("{} {}", axis, k);
}

/// In place, where both are the same.
void to_probabilities(std::span<const float> logits, float* probabilities) {
  std::vector<double> row(logits.begin(), logits.end());
  softmax(row);
  std::ranges::transform(row, probabilities, [](double p) { return static_cast<float>(p); });
}

/// Holds the probabilities of all held-out samples in memory, 4 bytes a class.
Parameters fit(const HeldOut& held_out) {
  label_counts(held_out);
  const auto classes = static_cast<std::size_t>(held_out.classes), n = static_cast<std::size_t>(held_out.n);
  std::vector<float> p(n * classes);
  std::vector<std::size_t> labels(n);
  each_row(held_out, [&](std::span<const float> logits, std::size_t label, std::int64_t index) {
    const auto i = static_cast<std::size_t>(index);
    to_probabilities(logits, &p[i * classes]);
    labels[i] = label;
  });
  Parameters fitted;
  std::vector<Scored> scored(n);
  for (std::size_t k = 0; k < classes; ++k) {
    for (std::size_t i = 0; i < n; ++i) scored[i] = {p[i * classes + k], labels[i] == k};
    std::vector<double>&x = fitted[name("x", k)], &y = fitted[name("y", k)];
    for (const auto& [first, last, hits, count] : pool(scored)) {
      const double value = static_cast<double>(hits) / static_cast<double>(count);
      x.push_back(first);
      y.push_back(value);
      if (last == first) continue;
      x.push_back(last);
      y.push_back(value);
    }
  }
  return fitted;
}

/// Linear between thresholds, constant beyond them; NaN of NaN.
double interpolated(const std::vector<double>& x, const std::vector<double>& y, double p) {
  if (!(p > x.front())) return y.front() + 0 * p;
  if (p >= x.back()) return y.back();
  const auto above = static_cast<std::size_t>(std::ranges::upper_bound(x, p) - x.begin());
  return (y[above] - y[above - 1]) / (x[above] - x[above - 1]) * (p - x[above - 1]) + y[above - 1];
}

void apply(const Parameters& fitted, int classes, std::int64_t n, const float* logits, float* probabilities) {
  std::vector<double> row(static_cast<std::size_t>(classes));
  std::vector<const std::vector<double>*> x, y;
  for (std::size_t k = 0; k < row.size(); ++k) {
    x.push_back(&fitted.at(name("x", k)));
    y.push_back(&fitted.at(name("y", k)));
  }
  for (std::int64_t i = 0; i < n; ++i, logits += classes, probabilities += classes) {
    to_probabilities({logits, row.size()}, probabilities);
    double sum = 0;
    for (std::size_t k = 0; k < row.size(); ++k) {
      row[k] = interpolated(*x[k], *y[k], static_cast<double>(probabilities[k]));
      sum += row[k];
    }
    for (std::size_t k = 0; k < row.size(); ++k)
      probabilities[k] = static_cast<float>(sum == 0 ? 1 / static_cast<double>(classes) : row[k] / sum);
  }
}

ASSAY_SCALING("isotonic",
              .definition =
                  "isotonic regression of each class against the others on its softmax probability, least "
                  "squares on the held-out split, linear between thresholds, rows divided by their sum "
                  "(Zadrozny & Elkan 2002)",
              .fit = fit, .apply = apply);

}  // namespace
}  // namespace assay
