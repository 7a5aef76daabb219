#include "cli/scorer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <string_view>

#include "assay/core/error.hpp"
#include "assay/statistics.hpp"
#include "core/probabilities.hpp"
#include "core/rows.hpp"
#include "core/top_label.hpp"

namespace assay::cli {
namespace {

/// f(hash of a row and its label)
template <class F>
void each_hash(SavedOutputs& saved, std::int64_t first, std::int64_t n, std::span<const std::uint16_t> labels,
               const F& f) {
  const auto* values = reinterpret_cast<const char*>(saved.values(first, n));
  const std::size_t bytes = static_cast<std::size_t>(saved.classes()) * sizeof(float);
  for (const std::uint16_t label : labels) {
    f(std::hash<std::string_view>{}({values, bytes}) * 31 + label);
    values += bytes;
  }
}

/// The conformal quantiles of a held-out split, a metric each.
std::vector<double> thresholds_of(std::span<const ChosenMetric> metrics, Scaled& scaled, const Samples& held_out,
                                  double alpha, std::int64_t& undecided) {
  std::vector<double> thresholds(metrics.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<std::vector<double>> scores(metrics.size());
  if (std::ranges::none_of(metrics, is_conformal)) return thresholds;
  Scorer scorer(metrics);
  undecided = 0;
  held_out.each_block([&](std::int64_t first, std::int64_t n) {
    const std::span<const std::uint16_t> labels = held_out.saved->labels(first, n);
    const Outputs outputs = scaled.of(scorer, *held_out.saved, first, n, labels.data());
    undecided += std::count_if(outputs.rows, outputs.rows + n,
                               [](const SampleRow& row) { return row.has(SampleRow::undecided); });
    for (std::size_t m = 0; m < metrics.size(); ++m) {
      if (!is_conformal(metrics[m])) continue;
      const std::size_t before = scores[m].size();
      scores[m].resize(before + static_cast<std::size_t>(n));
      metrics[m].output->nonconformity(outputs, scores[m].data() + before);
    }
  });
  if (undecided == held_out.n())
    throw Error(ExitCode::input,
                fmt::format("none of the {} samples of '{}' that conformal sets are made of is decided", undecided,
                            held_out.saved->name()),
                "give samples whose outputs are finite");
  for (std::size_t m = 0; m < metrics.size(); ++m)
    if (is_conformal(metrics[m])) thresholds[m] = conformal_quantile(std::move(scores[m]), alpha);
  return thresholds;
}

}  // namespace

std::int64_t Samples::n() const {
  std::int64_t n = 0;
  for (const Range& range : ranges) n += range.hi - range.lo;
  return n;
}

Scorer::Scorer(std::span<const ChosenMetric> metrics) {
  for (const ChosenMetric& chosen : metrics) {
    all_classes_ = all_classes_ || chosen.output != nullptr;
    top_label_ = top_label_ && chosen.metric != nullptr && (chosen.metric->rank != nullptr || chosen.metric->top_label);
  }
}

Outputs Scorer::of_logits(std::int64_t n, int classes, const float* logits, const std::uint16_t* labels,
                          const SampleRow* known) {
  if (known == nullptr) {
    rows_.resize(static_cast<std::size_t>(n));
    score_logits({}, n, classes, logits, labels, nullptr, rows_.data());
    known = rows_.data();
  }
  if (!all_classes_) return {n, classes, nullptr, labels, known};
  probabilities_.resize(static_cast<std::size_t>(n * classes));
  probabilities_of(n, classes, logits, known, probabilities_.data());
  return {n, classes, probabilities_.data(), labels, known};
}

Outputs Scorer::of_probabilities(std::int64_t n, int classes, const float* values, const std::uint16_t* labels) {
  rows_.resize(static_cast<std::size_t>(n));
  score_probabilities({}, n, classes, values, labels, rows_.data());
  return {n, classes, values, labels, rows_.data()};
}

Outputs Scorer::of(SavedOutputs& saved, std::int64_t first, std::int64_t n, const std::uint16_t* labels) {
  const float* values = saved.values(first, n);
  if (saved.logits()) return of_logits(n, saved.classes(), values, labels, saved.rows(first, n));
  rows_.resize(static_cast<std::size_t>(n));
  // A margin for sums in another order and in float32: rows in doubt are looked at again.
  const auto tolerance = 0.9f * static_cast<float>(saved.rounding());
  const auto undecided = top_labels(n, saved.classes(), values, labels, tolerance, rows_.data());
  if (undecided && top_label_) return {n, saved.classes(), values, labels, rows_.data(), *undecided};
  if (!undecided) saved.check_probabilities(values, first, n);
  return of_probabilities(n, saved.classes(), values, labels);
}

Outputs Scaled::of(Scorer& scorer, SavedOutputs& saved, std::int64_t first, std::int64_t n,
                   const std::uint16_t* labels) {
  if (scaling == nullptr) return scorer.of(saved, first, n, labels);
  values_.resize(static_cast<std::size_t>(n * saved.classes()));
  scaling->apply(fitted, saved.classes(), n, saved.values(first, n), values_.data());
  return scaling->to_logits ? scorer.of_logits(n, saved.classes(), values_.data(), labels)
                            : scorer.of_probabilities(n, saved.classes(), values_.data(), labels);
}

bool is_conformal(const ChosenMetric& metric) {
  return metric.output != nullptr && metric.output->nonconformity != nullptr;
}

Fitted::Fitted(std::span<const Scaling* const> scalings, std::span<const ChosenMetric> metrics, const Samples& fit,
               const Samples& conformal, double alpha)
    : forms(1 + scalings.size()) {
  for (std::size_t s = 0; s < scalings.size(); ++s) forms[s + 1].scaling = scalings[s];
  const HeldOut split{fit.saved != nullptr ? fit.saved->classes() : 0, fit.n(), [&](const HeldOut::Visit& visit) {
                        fit.each_block([&](std::int64_t first, std::int64_t n) {
                          const std::span<const std::uint16_t> labels = fit.saved->labels(first, n);
                          visit(fit.saved->values(first, n), labels.data(), n);
                        });
                      }};
  for (Scaled& form : forms) {
    if (form.scaling != nullptr) form.fitted = form.scaling->fit(split);
    thresholds.push_back(thresholds_of(metrics, form, conformal.saved != nullptr ? conformal : fit, alpha, undecided));
  }
}

Overlap::Overlap(SavedOutputs& held_out) : held_out_(held_out) {
  Samples::all(held_out).each_block([&](std::int64_t first, std::int64_t n) {
    each_hash(held_out, first, n, held_out.labels(first, n), [&](std::size_t hash) { ++seen_[hash].fitted; });
  });
}

void Overlap::tested_on(SavedOutputs& saved, std::int64_t first, std::int64_t n,
                        std::span<const std::uint16_t> labels) {
  each_hash(saved, first, n, labels, [&](std::size_t hash) {
    if (const auto found = seen_.find(hash); found != seen_.end()) ++found->second.tested;
  });
}

void Overlap::check(const SavedOutputs& tested) const {
  check(std::ranges::count_if(seen_,
                              [](const auto& entry) { return entry.second.fitted == 1 && entry.second.tested == 1; }),
        tested);
}

void Overlap::check(const Overlap& other) const {
  check(std::ranges::count_if(seen_,
                              [&](const auto& entry) {
                                const auto found = other.seen_.find(entry.first);
                                return entry.second.fitted == 1 && found != other.seen_.end() &&
                                       found->second.fitted == 1;
                              }),
        other.held_out_);
}

void Overlap::check(std::int64_t both, const SavedOutputs& other) const {
  if (2 * both > std::min(other.n(), held_out_.n()))
    throw Error(ExitCode::input,
                fmt::format("{} of the {} rows of '{}' are in '{}' too, with their labels", both, other.n(),
                            other.name(), held_out_.name()),
                "what is fitted on and what is scored, or fitted on next, must be other samples");
}

Groups::Groups(const std::string& groups, const std::string& class_groups, bool by_class, std::int64_t n, int classes) {
  if (!groups.empty()) {
    by = "group";
    ids = of_sample = read_column(groups, n, "a group a row");
  } else if (!class_groups.empty()) {
    by = "group of the label";
    ids = of_label = read_column(class_groups, classes, "a group a class");
  } else if (by_class) {
    by = "label";
    of_label.resize(static_cast<std::size_t>(classes));
    std::iota(of_label.begin(), of_label.end(), std::uint16_t{0});
    ids = of_label;
  }
  std::ranges::sort(ids);
  ids.erase(std::ranges::unique(ids).begin(), ids.end());
}

Pass::Pass(std::span<const ChosenMetric> metrics, int classes, const std::vector<double>& thresholds,
           const Groups& groups)
    : groups_(groups), all_(metrics, classes, thresholds) {
  std::int64_t words = 0;
  for (const ChosenMetric& chosen : metrics)
    words += chosen.metric != nullptr ? chosen.metric->words : chosen.output->words(classes);
  constexpr std::int64_t kMost = std::int64_t{1} << 27;
  if (words * static_cast<std::int64_t>(groups.ids.size()) > kMost)
    throw Error(ExitCode::usage,
                fmt::format("{} groups of these metrics take {:.1f} GB, expected at most 1", groups.ids.size(),
                            8e-9 * static_cast<double>(words) * static_cast<double>(groups.ids.size())),
                "ask for fewer groups, or for fewer metrics at once");
  for (std::size_t g = 0; g < groups.ids.size(); ++g) by_group_.emplace_back(metrics, classes, thresholds);
}

void Pass::add(const Outputs& outputs, std::int64_t first) {
  all_.add(outputs);
  if (by_group_.empty()) return;
  std::vector<std::vector<std::int64_t>> members(by_group_.size());
  for (std::int64_t i = 0; i < outputs.n; ++i) {
    const auto at = std::ranges::lower_bound(groups_.ids, groups_.of(first + i, outputs.labels[i]));
    members[static_cast<std::size_t>(at - groups_.ids.begin())].push_back(i);
  }
  for (std::size_t g = 0; g < members.size(); ++g)
    if (!members[g].empty()) add_members(outputs, members[g], by_group_[g]);
}

void Pass::add_members(const Outputs& outputs, const std::vector<std::int64_t>& members, Scores& scores) {
  rows_.clear();
  labels_.clear();
  probabilities_.clear();
  for (const std::int64_t i : members) {
    rows_.push_back(outputs.rows[i]);
    labels_.push_back(outputs.labels[i]);
    if (outputs.probabilities != nullptr)
      probabilities_.insert(probabilities_.end(), outputs.probabilities + i * outputs.classes,
                            outputs.probabilities + (i + 1) * outputs.classes);
  }
  scores.add({static_cast<std::int64_t>(members.size()), outputs.classes, probabilities_.data(), labels_.data(),
              rows_.data()});
}

}  // namespace assay::cli
