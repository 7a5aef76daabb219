// Mean recall over classes (Brodersen et al. 2010, ICPR), with the confusion matrix that it is read from.
#include <map>
#include <string>
#include <vector>

#include "assay/core/error.hpp"
#include "assay/output_metric.hpp"
#include "metrics/metric_kernel.hpp"

namespace assay {
namespace {

/// Of more classes a matrix is mostly zeros, and of a thousand it takes megabytes of every cell's results.
constexpr int kMostDense = 100;

/// A label's row: predictions, and last the undecided samples.
std::int64_t words(int classes) {
  constexpr int kMost = 4096;
  if (classes > kMost)
    throw Error(
        ExitCode::usage,
        "a confusion matrix of " + std::to_string(classes) + " classes, expected at most " + std::to_string(kMost),
        "leave balanced_accuracy out; accuracy by class takes less");
  return static_cast<std::int64_t>(classes) * (classes + 1);
}

void reduce(const Outputs& outputs, double, std::uint64_t* state) {
  const std::int64_t width = outputs.classes + 1;
  for (std::int64_t i = 0; i < outputs.n; ++i) {
    const SampleRow& row = outputs.rows[i];
    ++state[width * outputs.labels[i] + (row.has(SampleRow::undecided) ? outputs.classes : row.prediction)];
  }
}

/// The matrix, or its entries that are not 0.
std::map<std::string, std::vector<double>> confusion(const std::uint64_t* state, int classes) {
  std::map<std::string, std::vector<double>> curves;
  for (int label = 0; label < classes; ++label)
    for (int column = 0; column <= classes; ++column) {
      const auto count = static_cast<double>(*state++);
      if (classes <= kMostDense) {
        curves["confusion"].push_back(count);
      } else if (count > 0) {
        curves["confusion_label"].push_back(label);
        curves["confusion_prediction"].push_back(column);
        curves["confusion_count"].push_back(count);
      }
    }
  return curves;
}

Estimate finish(const std::uint64_t* state, int classes) {
  Estimate estimate = undefined_estimate();
  estimate.curves = confusion(state, classes);
  double recalls = 0;
  int seen = 0;
  for (int label = 0; label < classes; ++label) {
    const std::uint64_t* const row = state + static_cast<std::int64_t>(label) * (classes + 1);
    std::uint64_t count = 0;
    for (int k = 0; k <= classes; ++k) count += row[k];
    if (count == 0) continue;
    recalls += static_cast<double>(row[label]) / static_cast<double>(count);
    ++seen;
  }
  if (seen > 0)
    estimate.value = recalls / seen;
  else
    estimate.undefined = "no samples";
  return estimate;
}

ASSAY_OUTPUT_METRIC("balanced_accuracy",
                    .definition =
                        "mean over the labels that occur of correct/n of the label, undecided: wrong; confusion: a row "
                        "a label, a column a prediction, the last one undecided; of more than 100 classes the label, "
                        "column and count of what is not 0",
                    .words = words, .reduce = reduce, .finish = finish, .larger_is_better = true);

}  // namespace
}  // namespace assay
