#include "cli/saved_cell.hpp"

#include <algorithm>
#include <limits>

namespace assay::cli {

SavedCell::SavedCell(const Plan& plan, const Store& store, int cell, const std::vector<std::uint16_t>& labels)
    : plan_(plan),
      store_(store),
      labels_(labels),
      name_(plan.describe(plan.cells[static_cast<std::size_t>(cell)]) + " of " + store.root().string()) {
  for (const Unit& unit : plan.units)
    if (unit.cell == cell) units_.push_back(&unit);
  for (const Unit* unit : units_) {
    classes_ = read_kept(plan, store, *unit, labels).classes;
    if (classes_ > 0) break;
  }
  if (classes_ > 0) check_kept_labels(store, labels, classes_);
}

void SavedCell::load(std::int64_t first, std::int64_t rows) {
  if (first == first_ && rows == std::ssize(rows_)) return;
  first_ = first;
  rows_.resize(static_cast<std::size_t>(rows));
  values_.assign(static_cast<std::size_t>(rows * classes_), std::numeric_limits<float>::quiet_NaN());
  for (const Unit* unit : units_) {
    const std::int64_t lo = std::max(first, unit->lo), hi = std::min(first + rows, unit->hi);
    if (lo >= hi) continue;
    const KeptUnit kept = read_kept(plan_, store_, *unit, labels_);
    for (std::int64_t i = lo; i < hi; ++i) {
      const SampleRow& row = rows_[static_cast<std::size_t>(i - first)] =
          kept.rows[static_cast<std::size_t>(i - unit->lo)];
      if (!row.has(SampleRow::undecided))
        std::copy_n(kept.logits.begin() + (i - unit->lo) * classes_, classes_,
                    values_.begin() + (i - first) * classes_);
    }
  }
}

const float* SavedCell::values(std::int64_t first, std::int64_t rows) {
  load(first, rows);
  return values_.data();
}

const SampleRow* SavedCell::rows(std::int64_t first, std::int64_t rows) {
  load(first, rows);
  return rows_.data();
}

std::span<const std::uint16_t> SavedCell::labels(std::int64_t first, std::int64_t rows) {
  return {labels_.data() + first, static_cast<std::size_t>(rows)};
}

}  // namespace assay::cli
