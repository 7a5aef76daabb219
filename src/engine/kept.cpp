#include "engine/kept.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "assay/core/error.hpp"
#include "core/score.hpp"
#include "data/npy.hpp"

namespace assay {

std::vector<std::uint16_t> kept_labels(const Plan& plan, const Store& store) {
  const std::filesystem::path file = store.root() / kKeptLabels;
  std::vector<std::uint16_t> labels = read_labels(file);
  if (std::ssize(labels) != plan.n)
    throw Error(ExitCode::input, fmt::format("'{}' has {} labels, expected {}", file.string(), labels.size(), plan.n));
  return labels;
}

void check_kept_labels(const Store& store, std::span<const std::uint16_t> labels, int classes) {
  const auto wrong = std::ranges::find_if(labels, [&](std::uint16_t label) { return label >= classes; });
  if (wrong != labels.end())
    throw Error(ExitCode::input,
                fmt::format("'{}' has the label {}, expected less than {}", (store.root() / kKeptLabels).string(),
                            *wrong, classes),
                "run the sweep again, which writes it anew");
}

KeptUnit read_kept(const Plan& plan, const Store& store, const Unit& unit, std::span<const std::uint16_t> labels) {
  const auto missing = [&](const char* what, const char* hint) {
    return Error(ExitCode::merge_incomplete,
                 fmt::format("{}{}, images {} to {}, are missing in '{}'", what,
                             plan.describe(plan.cells[static_cast<std::size_t>(unit.cell)]), unit.lo, unit.hi - 1,
                             store.root().string()),
                 hint);
  };
  const auto n = static_cast<std::size_t>(unit.hi - unit.lo);
  auto record = store.read(unit);
  if (!record) {
    if (!store.failure(unit)) throw missing("", "run the sweep again, or its other shards");
    return {std::vector<SampleRow>(n, undecided_row(0)), 0, {}};
  }
  auto logits = store.logits(unit);
  if (!logits) throw missing("the logits of ", "run the sweep again with keep = \"logits\"");
  if (!logits->are_of(labels.subspan(static_cast<std::size_t>(unit.lo), n)))
    throw Error(ExitCode::input,
                fmt::format("'{}' has other labels than the sweep had for images {} to {}",
                            (store.root() / kKeptLabels).string(), unit.lo, unit.hi - 1),
                "run the sweep again, which writes it anew");
  // What is kept of an attack is another pass, which a random model may answer otherwise.
  for (std::size_t i = 0; i < n; ++i) {
    const std::span row(logits->values.data() + i * static_cast<std::size_t>(logits->classes),
                        static_cast<std::size_t>(logits->classes));
    if (!std::ranges::all_of(row, finite)) record->rows[i] = undecided_row(record->rows[i].flags);
  }
  return {std::move(record->rows), logits->classes, std::move(logits->values)};
}

}  // namespace assay
