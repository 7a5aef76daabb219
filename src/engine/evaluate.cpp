#include "engine/evaluate.hpp"

#include <algorithm>
#include <chrono>

#include "assay/core/error.hpp"
#include "assay/loss.hpp"
#include "core/transfer.hpp"

namespace assay {
namespace {

/// Models may change their arithmetic below this many rows; smaller batches are padded with copies of the last sample.
constexpr std::int64_t kFewestRows = 16;

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

Table table_of(const Perturbation& corruption) {
  return text_param(corruption.params, "table") == "32" ? Table::c32 : Table::c224;
}

}  // namespace

/// What an attack needs besides the batch.
struct Evaluator::Lanes {
  Buffer<LaneItem> item;
  Buffer<std::byte> state;
  Buffer<float> point, scratch, value, cotangent;
  Buffer<Verdict> verdict;
};

Evaluator::Evaluator(const Exec& exec, const DataSet& data, std::int64_t batch, std::uint64_t seed,
                     const StopFlag& stop)
    : exec_(exec),
      data_(data),
      batch_(std::max(batch, kFewestRows)),
      seed_(seed),
      stop_(stop),
      sample_(exec, batch_),
      label_(exec, batch_),
      flags_(exec, batch_),
      pixels_(exec, batch_ * data.dim()),
      lanes_(std::make_unique<Lanes>()) {
  const std::uint8_t* bytes = data.bytes.data();
  const float* floats = data.floats.data();
  const std::uint16_t* labels = data.labels.data();
  if (exec.backend == Backend::cuda) {
    const auto put = [&](auto& buffer, const auto& from) {
      buffer = {exec, static_cast<std::int64_t>(from.size())};
      upload(exec, buffer.data(), from.data(), from.size() * sizeof(from[0]));
    };
    put(resident_bytes_, data.bytes);
    put(resident_floats_, data.floats);
    put(resident_labels_, data.labels);
    bytes = resident_bytes_.data();
    floats = resident_floats_.data();
    labels = resident_labels_.data();
  }
  resident_.bytes = {data.bytes.empty() ? nullptr : bytes, data.n, data.c, data.h, data.w};
  resident_.floats = {data.floats.empty() ? nullptr : floats, data.n, data.c, data.h, data.w};
  resident_.label = labels;
}

Evaluator::~Evaluator() = default;

void Evaluator::check_stop() const {
  if (stop_.load(std::memory_order_relaxed)) throw Interrupted{};
}

/// Numbers the rows of the batch that begins at `first`; returns how many rows it has, padding included.
std::int64_t Evaluator::load_batch(std::int64_t first, std::int64_t hi) {
  check_stop();
  const std::int64_t rows = std::max(std::min(batch_, hi - first), kFewestRows);
  number_rows(exec_, rows, first, hi - 1, sample_.data());
  return rows;
}

/// The device's half of reduce, and the one fetch of a unit.
void Evaluator::finish(UnitResult& result, CellKind kind, const SampleRow* rows, std::int64_t n) {
  std::int64_t words = 0;
  const auto applicable = [kind](const Metric& metric) { return metric.applies(kind); };
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (applicable(metric)) words += metric.words;
  const Buffer<std::uint64_t> states(exec_, words);
  zero(exec_, states.data(), words);
  std::int64_t at = 0;
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (applicable(metric)) {
      metric.reduce(exec_, rows, n, states.data() + at);
      at += metric.words;
    }
  std::vector<std::uint64_t> fetched(static_cast<std::size_t>(words));
  fetch_unit(exec_, fetched.data(), states.data(), fetched.size() * sizeof(std::uint64_t));
  result.rows.resize(static_cast<std::size_t>(n));
  fetch_unit(exec_, result.rows.data(), rows, result.rows.size() * sizeof(SampleRow));
  auto word = fetched.begin();
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (applicable(metric)) {
      result.states[name] = {word, word + metric.words};
      word += metric.words;
    }
}

std::vector<UnitResult> Evaluator::plain(const Perturbation* corruption, std::int64_t lo, std::int64_t hi,
                                         const std::vector<Model*>& models) {
  const Clock::time_point began = Clock::now();
  std::vector<UnitResult> results(models.size());
  std::vector<Buffer<SampleRow>> rows;
  for (std::size_t m = 0; m < models.size(); ++m) rows.emplace_back(exec_, hi - lo + kFewestRows);
  Buffer<std::uint8_t> clean, corrupted;
  Buffer<float> real;
  Buffer<std::uint32_t> constants;
  const Corruption* entry = nullptr;
  CorruptionArgs args;
  if (corruption != nullptr) {
    entry = Registry<Corruption>::find(corruption->name);
    args = {static_cast<int>(integer_param(corruption->params, "severity")), table_of(*corruption)};
    clean = {exec_, batch_ * data_.dim()};
    corrupted = {exec_, batch_ * data_.dim()};
    real = {exec_, batch_ * 3 * data_.h * data_.w};
    if (entry->constants != nullptr) {
      const std::vector<std::uint32_t> host = entry->constants(args);
      constants = {exec_, static_cast<std::int64_t>(host.size())};
      upload(exec_, constants.data(), host.data(), host.size() * sizeof(host[0]));
    }
  }
  for (std::int64_t first = lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    if (entry == nullptr) {
      gather_pixels(exec_, resident_, sample_.data(), n, pixels_.data(), label_.data());
    } else {
      gather_bytes(exec_, resident_, sample_.data(), n, clean.data(), label_.data());
      entry->apply(exec_, args,
                   {{clean.data(), n, data_.c, data_.h, data_.w},
                    real.data(),
                    sample_.data(),
                    constants.data(),
                    nullptr,
                    seed_});
      quantise(exec_, real.data(), {corrupted.data(), n, data_.c, data_.h, data_.w}, pixels_.data());
    }
    for (std::size_t m = 0; m < models.size(); ++m) {
      UnitResult& result = results[m];
      if (!result.error.empty()) continue;
      check_stop();
      const double model_before = models[m]->seconds();
      try {
        const float* logits = models[m]->forward(exec_, {pixels_.data(), n, data_.c, data_.h, data_.w}, false);
        score_logits(exec_, n, models[m]->classes(), logits, label_.data(), nullptr, rows[m].data() + (first - lo));
      } catch (const Error& e) {
        if (e.code() == ExitCode::device) throw;
        result.error = e.what();
      }
      result.passes.forward += static_cast<std::uint64_t>(std::min(batch_, hi - first));
      result.model_seconds += models[m]->seconds() - model_before;
    }
  }
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (results[m].error.empty())
      finish(results[m], entry == nullptr ? CellKind::clean : CellKind::corrupted, rows[m].data(), hi - lo);
    results[m].seconds = seconds_since(began) / static_cast<double>(models.size());
  }
  return results;
}

UnitResult Evaluator::attacked(const Perturbation& perturbation, std::int64_t lo, std::int64_t hi, Model& model,
                               std::vector<float>* points) {
  const Clock::time_point began = Clock::now();
  const double model_before = model.seconds();
  const auto attack = Registry<AttackEntry>::find(perturbation.name)->make(perturbation.params);
  const Loss& loss = *Registry<Loss>::find(attack->loss);
  const int classes = model.classes();
  const std::int64_t dim = data_.dim();
  UnitResult result;
  if (points != nullptr) points->resize(static_cast<std::size_t>((hi - lo) * dim));

  const auto hold = [&](auto& buffer, std::int64_t size) {
    if (buffer.size() < size) buffer = {exec_, size};
    return buffer.data();
  };
  LaneBatch lanes;
  lanes.dim = dim;
  lanes.seed = seed_;
  LaneItem* item = hold(lanes_->item, batch_);
  lanes.item = item;
  lanes.state = hold(lanes_->state, batch_ * static_cast<std::int64_t>(attack->lane_bytes));
  lanes.clean = pixels_.data();
  lanes.point = hold(lanes_->point, batch_ * dim);
  lanes.scratch = hold(lanes_->scratch, batch_ * dim * attack->scratch_rows);
  float* value = hold(lanes_->value, batch_);
  lanes.value = value;
  lanes.verdict = hold(lanes_->verdict, batch_);
  float* cotangent = hold(lanes_->cotangent, batch_ * classes);
  const Buffer<SampleRow> rows(exec_, hi - lo + kFewestRows);

  try {
    for (std::int64_t first = lo; first < hi; first += batch_) {
      const std::int64_t n = load_batch(first, hi);
      const auto useful = static_cast<std::uint64_t>(std::min(batch_, hi - first));
      lanes.lanes = n;
      const auto look = [&](Stage stage, const float* x, bool differentiable) {
        check_stop();
        const float* logits = model.forward(exec_, {x, n, data_.c, data_.h, data_.w}, differentiable);
        result.passes.forward += useful;
        observe(exec_, stage, n, classes, logits, label_.data(), flags_.data());
        return logits;
      };
      gather_pixels(exec_, resident_, sample_.data(), n, pixels_.data(), label_.data());
      make_items(exec_, n, sample_.data(), static_cast<float>(real_param(perturbation.params, "epsilon")), item,
                 flags_.data());
      attack->start(exec_, lanes);
      if (!attack->starts_clean) look(Stage::clean, pixels_.data(), false);
      for (int query = 0; query < attack->queries; ++query) {
        const float* logits = look(Stage::iterate, lanes.point, true);
        if (attack->starts_clean && query == 0)
          observe(exec_, Stage::clean, n, classes, logits, label_.data(), flags_.data());
        loss.evaluate(exec_, n, classes, logits, label_.data(), value, cotangent);
        lanes.gradient = model.vjp(exec_, cotangent);
        result.passes.backward += useful;
        check_gradients(exec_, n, dim, lanes.gradient, flags_.data());
        attack->advance(exec_, lanes);
      }
      const float* logits = look(Stage::last, lanes.point, false);
      score_logits(exec_, n, classes, logits, label_.data(), flags_.data(), rows.data() + (first - lo));
      if (points != nullptr)
        export_images(exec_, points->data() + (first - lo) * dim, lanes.point,
                      useful * static_cast<std::size_t>(dim) * sizeof(float));
    }
    finish(result, CellKind::attacked, rows.data(), hi - lo);
  } catch (const Error& e) {
    if (e.code() == ExitCode::device) throw;
    result.error = e.what();
  }
  result.seconds = seconds_since(began);
  result.model_seconds = model.seconds() - model_before;
  return result;
}

}  // namespace assay
