#include "engine/evaluate.hpp"

#include <algorithm>
#include <chrono>

#include "assay/core/error.hpp"
#include "assay/loss.hpp"
#include "core/transfer.hpp"
#include "engine/loaded_corruption.hpp"

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

/// What a unit works in; grown before its first batch, kept for the next.
struct Evaluator::Workspace {
  Buffer<std::uint32_t> sample;
  Buffer<std::uint16_t> label, flags;
  Buffer<float> pixels;
  Buffer<std::uint64_t> states;
  std::vector<Buffer<SampleRow>> rows;  // a model
  // corruptions
  LoadedCorruption corruption;
  Buffer<std::uint8_t> clean, corrupted;
  Buffer<float> real;
  // attacks
  Buffer<LaneItem> item;
  Buffer<std::byte> state;
  Buffer<float> point, scratch, value, cotangent;
  Buffer<Verdict> verdict;

  template <class T>
  static T* hold(const Exec& exec, Buffer<T>& buffer, std::int64_t size) {
    if (buffer.size() < size) buffer = {exec, size};
    return buffer.data();
  }
};

Evaluator::Evaluator(const Exec& exec, const DataSet& data, std::int64_t batch, std::uint64_t seed,
                     const StopFlag& stop)
    : exec_(exec),
      data_(data),
      batch_(std::max(batch, kFewestRows)),
      seed_(seed),
      stop_(stop),
      work_(std::make_unique<Workspace>()) {
  work_->sample = {exec, batch_};
  work_->label = {exec, batch_};
  work_->flags = {exec, batch_};
  work_->pixels = {exec, batch_ * data.dim()};
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
  number_rows(exec_, rows, first, hi - 1, work_->sample.data());
  return rows;
}

std::int64_t Evaluator::state_words(CellKind kind) const {
  std::int64_t words = 0;
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (metric.applies(kind)) words += metric.words;
  return words;
}

/// The device's half of reduce, and the one fetch of a unit.
void Evaluator::finish(UnitResult& result, CellKind kind, const SampleRow* rows, std::int64_t n) {
  const std::int64_t words = state_words(kind);
  std::uint64_t* const states = work_->states.data();
  zero(exec_, states, words);
  std::int64_t at = 0;
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (metric.applies(kind)) {
      metric.reduce(exec_, rows, n, states + at);
      at += metric.words;
    }
  const auto fetch = [&](auto& to, const auto* from) {
    const std::size_t bytes = to.size() * sizeof(to[0]);
    fetch_unit(exec_, to.data(), from, bytes);
    result.host_bytes += bytes;
  };
  std::vector<std::uint64_t> fetched(static_cast<std::size_t>(words));
  fetch(fetched, states);
  result.rows.resize(static_cast<std::size_t>(n));
  fetch(result.rows, rows);
  auto word = fetched.begin();
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (metric.applies(kind)) {
      result.states[name] = {word, word + metric.words};
      word += metric.words;
    }
}

std::vector<UnitResult> Evaluator::plain(const Perturbation* corruption, std::int64_t lo, std::int64_t hi,
                                         const std::vector<Model*>& models) {
  const Clock::time_point began = Clock::now();
  std::vector<UnitResult> results(models.size());
  const CellKind kind = corruption == nullptr ? CellKind::clean : CellKind::corrupted;
  Workspace& work = *work_;
  work.hold(exec_, work.states, state_words(kind));
  if (work.rows.size() < models.size()) work.rows.resize(models.size());
  for (std::size_t m = 0; m < models.size(); ++m) work.hold(exec_, work.rows[m], hi - lo + kFewestRows);
  if (corruption != nullptr) {
    const CorruptionArgs args{static_cast<int>(integer_param(corruption->params, "severity")), table_of(*corruption)};
    if (!work.corruption.is(corruption->name, args)) work.corruption = {exec_, corruption->name, args};
    work.hold(exec_, work.clean, batch_ * data_.dim());
    work.hold(exec_, work.corrupted, batch_ * data_.dim());
    work.hold(exec_, work.real, batch_ * 3 * data_.h * data_.w);
  }
  const std::uint32_t* sample = work.sample.data();
  float* pixels = work.pixels.data();
  std::uint16_t* label = work.label.data();

  for (std::int64_t first = lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    if (corruption == nullptr) {
      gather_pixels(exec_, resident_, sample, n, pixels, label);
    } else {
      gather_bytes(exec_, resident_, sample, n, work.clean.data(), label);
      work.corruption.apply(exec_, {.images = {work.clean.data(), n, data_.c, data_.h, data_.w},
                                    .out = work.real.data(),
                                    .sample = sample,
                                    .seed = seed_});
      quantise(exec_, work.real.data(), {work.corrupted.data(), n, data_.c, data_.h, data_.w}, pixels);
    }
    for (std::size_t m = 0; m < models.size(); ++m) {
      UnitResult& result = results[m];
      if (!result.error.empty()) continue;
      check_stop();
      const double model_before = models[m]->seconds();
      try {
        const float* logits = models[m]->forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, false);
        score_logits(exec_, n, models[m]->classes(), logits, label, nullptr, work.rows[m].data() + (first - lo));
      } catch (const Error& e) {
        if (e.code() == ExitCode::device) throw;
        result.error = e.what();
      }
      result.passes.forward += static_cast<std::uint64_t>(std::min(batch_, hi - first));
      result.model_seconds += models[m]->seconds() - model_before;
    }
  }
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (results[m].error.empty()) finish(results[m], kind, work.rows[m].data(), hi - lo);
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

  Workspace& work = *work_;
  const auto hold = [&](auto& buffer, std::int64_t size) { return work.hold(exec_, buffer, size); };
  const std::uint32_t* sample = work.sample.data();
  float* pixels = work.pixels.data();
  std::uint16_t *label = work.label.data(), *flags = work.flags.data();
  LaneBatch lanes;
  lanes.dim = dim;
  lanes.seed = seed_;
  LaneItem* item = hold(work.item, batch_);
  lanes.item = item;
  lanes.state = hold(work.state, batch_ * static_cast<std::int64_t>(attack->lane_bytes));
  lanes.clean = pixels;
  lanes.point = hold(work.point, batch_ * dim);
  lanes.scratch = hold(work.scratch, batch_ * dim * attack->scratch_rows);
  float* value = hold(work.value, batch_);
  lanes.value = value;
  lanes.verdict = hold(work.verdict, batch_);
  float* cotangent = hold(work.cotangent, batch_ * classes);
  hold(work.states, state_words(CellKind::attacked));
  if (work.rows.empty()) work.rows.resize(1);
  SampleRow* rows = hold(work.rows[0], hi - lo + kFewestRows);

  try {
    for (std::int64_t first = lo; first < hi; first += batch_) {
      const std::int64_t n = load_batch(first, hi);
      const auto useful = static_cast<std::uint64_t>(std::min(batch_, hi - first));
      lanes.lanes = n;
      const auto look = [&](Stage stage, const float* x, bool differentiable) {
        check_stop();
        const float* logits = model.forward(exec_, {x, n, data_.c, data_.h, data_.w}, differentiable);
        result.passes.forward += useful;
        observe(exec_, stage, n, classes, logits, label, flags);
        return logits;
      };
      gather_pixels(exec_, resident_, sample, n, pixels, label);
      make_items(exec_, n, sample, static_cast<float>(real_param(perturbation.params, "epsilon")), item, flags);
      attack->start(exec_, lanes);
      if (!attack->starts_clean) look(Stage::clean, pixels, false);
      for (int query = 0; query < attack->queries; ++query) {
        const float* logits = look(Stage::iterate, lanes.point, true);
        if (attack->starts_clean && query == 0) observe(exec_, Stage::clean, n, classes, logits, label, flags);
        loss.evaluate(exec_, n, classes, logits, label, value, cotangent);
        lanes.gradient = model.vjp(exec_, cotangent);
        result.passes.backward += useful;
        check_gradients(exec_, n, dim, lanes.gradient, flags);
        attack->advance(exec_, lanes);
      }
      const float* logits = look(Stage::last, lanes.point, false);
      score_logits(exec_, n, classes, logits, label, flags, rows + (first - lo));
      if (points != nullptr)
        export_images(exec_, points->data() + (first - lo) * dim, lanes.point,
                      useful * static_cast<std::size_t>(dim) * sizeof(float));
    }
    finish(result, CellKind::attacked, rows, hi - lo);
  } catch (const Error& e) {
    if (e.code() == ExitCode::device) throw;
    result.error = e.what();
  }
  result.seconds = seconds_since(began);
  result.model_seconds = model.seconds() - model_before;
  return result;
}

}  // namespace assay
