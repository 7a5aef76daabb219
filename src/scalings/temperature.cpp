// Temperature scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2, equation 9).
#include "scalings/softmax.hpp"

namespace assay {
namespace {

// Of 1 / T, in which the NLL is convex.
constexpr double kLowest = 0x1p-10, kHighest = 0x1p10;

/// Derivatives of the mean NLL in 1 / T. `limit`: of the first where T goes to 0.
struct Slope {
  double first = 0, second = 0, limit = 0;
};

Slope slope_at(const HeldOut& held_out, double inverse) {
  Slope mean;
  std::vector<double> shifted(static_cast<std::size_t>(held_out.classes)), p(shifted.size());
  each_row(held_out, [&](std::span<const float> logits, std::size_t label, std::int64_t) {
    const double top = static_cast<double>(*std::ranges::max_element(logits));
    for (std::size_t k = 0; k < p.size(); ++k) {
      shifted[k] = static_cast<double>(logits[k]) - top;
      p[k] = inverse * shifted[k];
    }
    softmax(p);
    double expected = 0, variance = 0;
    for (std::size_t k = 0; k < p.size(); ++k) expected += p[k] * shifted[k];
    for (std::size_t k = 0; k < p.size(); ++k) variance += p[k] * (shifted[k] - expected) * (shifted[k] - expected);
    mean.first += expected - shifted[label];
    mean.second += variance;
    mean.limit -= shifted[label];
  });
  const auto n = static_cast<double>(held_out.n);
  return {mean.first / n, mean.second / n, mean.limit / n};
}

/// The NLL falls on one side of every T that is asked for.
[[noreturn]] void throw_no_minimum(const char* where) {
  throw Error(
      ExitCode::input,
      fmt::format("the NLL of the held-out split has no minimum at a temperature between 1/1024 and 1024: {}", where),
      "check that the labels are those of these logits");
}

/// Newton's method in a bracket, which is halved instead where a step leaves it or the one before did not halve the
/// slope.
Parameters fit(const HeldOut& held_out) {
  label_counts(held_out);
  double lowest = kLowest, highest = kHighest;
  Slope slope = slope_at(held_out, highest);
  if (slope.limit == 0 && slope_at(held_out, lowest).second == 0)
    throw_no_minimum("the logits of every sample are equal, so that no temperature changes anything");
  if (slope.limit <= 0)
    throw Error(ExitCode::input,
                fmt::format("the NLL of the held-out split has no minimum: in each of its {} samples no logit is above "
                            "that of the label, so that it falls for ever as the temperature falls to 0",
                            held_out.n),
                "fit on more samples, which the model was not trained on");
  if (slope.first <= 0) throw_no_minimum("it still falls below, as almost every largest logit is that of the label");
  if (slope_at(held_out, lowest).first >= 0)
    throw_no_minimum("it still falls above, as if the logits said nothing about the labels");
  double inverse = 1, last = 0;
  for (int pass = 2; pass < 100; ++pass) {
    slope = slope_at(held_out, inverse);
    // In units of the logits, whatever their scale.
    if (std::abs(slope.first) <= 1e-10 * std::sqrt(slope.second)) break;
    (slope.first < 0 ? lowest : highest) = inverse;
    const double newton = inverse - slope.first / slope.second;
    const bool slow = pass > 2 && std::abs(slope.first) > last / 2;
    const double next = newton > lowest && newton < highest && !slow ? newton : std::sqrt(lowest * highest);
    if (next <= lowest || next >= highest) break;
    last = std::abs(slope.first);
    inverse = next;
  }
  return {{"temperature", {1 / inverse}}, {"gradient", {std::abs(slope.first)}}};
}

void apply(const Parameters& fitted, int classes, std::int64_t n, const float* logits, float* scaled) {
  const double temperature = fitted.at("temperature").at(0);
  change_rows(classes, n, logits, scaled, [&](std::size_t, double z) { return z / temperature; });
}

ASSAY_SCALING("temperature",
              .definition = "softmax(z / T), where T > 0 minimises the NLL of the held-out split (Guo et al. 2017)",
              .fit = fit, .apply = apply, .to_logits = true);

}  // namespace
}  // namespace assay
