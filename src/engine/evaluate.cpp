#include "engine/evaluate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>

#include "assay/core/error.hpp"
#include "assay/core/philox.hpp"
#include "assay/loss.hpp"
#include "engine/loaded_corruption.hpp"
#include "engine/make_attacks.hpp"

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
  Buffer<std::uint16_t> label;
  Buffer<float> pixels;
  Buffer<std::uint64_t> states;
  std::vector<Buffer<SampleRow>> rows;  // a model
  // corruptions
  LoadedCorruption corruption;
  Buffer<std::uint8_t> clean, corrupted;
  Buffer<float> real;
  // attacks: the pool
  Buffer<std::uint64_t> spent, totals, passes;
  Buffer<std::uint16_t> flags;
  Buffer<std::uint32_t> winner, kept, winners, next, streams;
  std::vector<std::uint32_t> stream_list;  // what `streams` holds
  Buffer<std::uint16_t> rank;
  Buffer<float> points;
  Buffer<PoolCounts> counts;
  // and the lanes
  Buffer<LaneItem> item;
  Buffer<std::byte> state;
  Buffer<float> clean_pixels, point, scratch, value, cotangent, gradient;
  Buffer<std::uint16_t> lane_label, target;
  Buffer<Seen> seen;
  Buffer<Verdict> verdict;
  Buffer<std::uint8_t> ever, take;
  Buffer<std::uint64_t> lane_spent;
  Buffer<SampleRow> lane_row;
  Buffer<std::int32_t> from;

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
      counter_(exec, lag_of(exec.backend)),
      uploader_(exec),
      work_(std::make_unique<Workspace>()) {
  work_->sample = {exec, batch_};
  work_->label = {exec, batch_};
  work_->pixels = {exec, batch_ * data.dim()};
  const auto images = [&](const auto* pixels, bool there) {
    return Images{there ? pixels : nullptr, data.n, data.c, data.h, data.w};
  };
  if (exec.backend == Backend::cpu) {
    resident_.bytes = images(data.bytes.data(), !data.bytes.empty());
    resident_.floats = images(data.floats.data(), !data.floats.empty());
    resident_.label = data.labels.data();
    return;
  }
  resident_labels_ = {exec, data.n};
  uploader_.upload(resident_labels_.data(), data.labels.data(), data.labels.size() * sizeof(data.labels[0]));
  resident_.label = resident_labels_.data();
  streamed_ = data.bytes.size() + data.floats.size() * sizeof(float) > exec.memory->available() / 2;
  if (!streamed_) place(0, data.n);
}

Evaluator::~Evaluator() = default;

/// Brings the images of samples [lo, hi) to the device. The stream orders the copies behind what still reads the last
/// ones.
void Evaluator::place(std::int64_t lo, std::int64_t hi) {
  const auto put = [&](auto& buffer, const auto& from, auto& there) {
    if (from.empty()) return;
    const std::int64_t size = (hi - lo) * data_.dim();
    if (buffer.size() < size) buffer = {exec_, size};
    uploader_.upload(buffer.data(), from.data() + lo * data_.dim(), static_cast<std::size_t>(size) * sizeof(from[0]));
    there = {buffer.data(), hi - lo, data_.c, data_.h, data_.w};
  };
  put(resident_bytes_, data_.bytes, resident_.bytes);
  put(resident_floats_, data_.floats, resident_.floats);
  resident_.first = lo;
}

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
  if (streamed_) place(lo, hi);
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
      result.evaluated.forward += static_cast<std::uint64_t>(n);
      result.model_seconds += models[m]->seconds() - model_before;
    }
  }
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (results[m].error.empty()) finish(results[m], kind, work.rows[m].data(), hi - lo);
    results[m].seconds = seconds_since(began) / static_cast<double>(models.size());
  }
  return results;
}

/// Items a sample.
static int rounds_of(const Attack& attack) {
  return attack.restarts * std::max(attack.targets, 1);
}

/// What the model says of the clean images: where every sample of the pool begins.
void Evaluator::clean_samples(const Pool& pool, Model& model) {
  Workspace& work = *work_;
  float* pixels = work.pixels.data();
  std::uint16_t* label = work.label.data();
  const std::int64_t hi = pool.lo + pool.n;
  for (std::int64_t first = pool.lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    gather_pixels(exec_, resident_, work.sample.data(), n, pixels, label);
    const float* logits = model.forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, false);
    score_logits(exec_, n, model.classes(), logits, label, nullptr, pool.rows + (first - pool.lo));
    const std::int64_t rows = std::min(batch_, hi - first);
    begin_samples(exec_, pool, first - pool.lo, rows, pixels);
    if (pool.ranks > 0) rank_targets(exec_, pool, first - pool.lo, rows, model.classes(), logits, label);
  }
}

/// One attack on all samples of the pool that are still to be fooled. The number of lanes begins at the batch and is
/// halved, down to kFewestRows, when half of them suffice for what is left.
void Evaluator::run_items(const Attack& attack, const Pool& pool, LaneTable lanes, Model& model) {
  const Loss* const loss = attack.loss.empty() ? nullptr : Registry<Loss>::find(attack.loss);
  LaneBatch& batch = lanes.batch;
  const auto images = [&](const float* x) { return Images{x, batch.lanes, data_.c, data_.h, data_.w}; };
  const auto fewer = [&](std::int64_t needed) {
    std::int64_t count = batch.lanes;
    while (count / 2 >= needed && count / 2 >= kFewestRows) count /= 2;
    return count;
  };
  batch.lanes = batch_;
  batch.lanes = fewer(pool.n * rounds_of(attack));
  begin_items(exec_, pool, resident_, lanes);
  const auto take_up = [&] {
    refill(exec_, pool, resident_, lanes);
    attack.start(exec_, batch);
    count_lanes(exec_, pool, lanes);
  };
  take_up();
  counter_.restart();
  const bool waits = lag_of(exec_.backend) == 0;
  for (;;) {
    check_stop();
    const auto counts = std::bit_cast<PoolCounts>(counter_.read(pool.counts));
    if (counts.active == 0) return;
    if (counts.pending == 0) {
      if (const std::int64_t count = fewer(counts.active); count < batch.lanes) {
        shrink(exec_, lanes, count);
        batch.lanes = count;
      }
    }
    const bool gradients = loss != nullptr && (!waits || counts.gradients > 0);
    const int draws = gradients ? attack.draws : 1, directions = attack.every_class ? batch.classes - 1 : 1;
    for (int draw = 0; draw < draws; ++draw) {
      batch.logits = model.forward(exec_, images(batch.point), gradients);
      judge(exec_, lanes, draw == 0);
      for (int nth = 0; loss != nullptr && nth < directions; ++nth) {
        if (attack.every_class) aim_at_class(exec_, batch, nth);
        loss->evaluate(exec_, {batch.lanes, batch.classes, batch.logits, batch.label, batch.target, work_->value.data(),
                               work_->cotangent.data()});
        if (!gradients) break;
        batch.gradient = model.vjp(exec_, work_->cotangent.data(), nth + 1 < directions);
        judge_gradients(exec_, lanes);
        if (attack.every_class) attack.collect(exec_, batch, nth);
      }
      if (draws > 1) average_gradient(exec_, batch, draw, draws, work_->gradient.data());
    }
    if (draws > 1) batch.gradient = work_->gradient.data();
    attack.advance(exec_, batch);
    settle(exec_, pool, lanes);
    take_up();
  }
}

/// Asks the model again about every point that is claimed to fool it, as it is stored, in a batch of nothing else.
void Evaluator::verify(const Pool& pool, Norm norm, Model& model, std::int64_t winners) {
  Workspace& work = *work_;
  float *pixels = work.pixels.data(), *clean = work.clean_pixels.data();
  std::uint16_t* label = work.label.data();
  std::uint32_t *list = work.winners.data(), *sample = work.sample.data();
  list_winners(exec_, pool, list);
  const ResidentData points{{}, {pool.points, pool.n, data_.c, data_.h, data_.w}, resident_.label + pool.lo, 0};
  ResidentData originals = resident_;
  originals.first -= pool.lo;  // by index in the pool, as `list` has them
  originals.label += pool.lo;
  for (std::int64_t first = 0; first < winners; first += batch_) {
    check_stop();
    const std::int64_t useful = std::min(batch_, winners - first), n = std::max(useful, kFewestRows);
    pick_rows(exec_, n, list, first, winners - 1, sample);
    gather_pixels(exec_, points, sample, n, pixels, label);
    gather_pixels(exec_, originals, sample, n, clean, label);
    const float* logits = model.forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, false);
    score_logits(exec_, useful, model.classes(), logits, label, nullptr, work.lane_row.data());
    verify_points(exec_, pool, norm, sample, useful, work.lane_row.data(), clean, pixels);
  }
}

UnitResult Evaluator::attacked(const Perturbation& perturbation, std::int64_t lo, std::int64_t hi, Model& model,
                               AttackExport* exported) {
  const Clock::time_point began = Clock::now();
  const double model_before = model.seconds();
  const Passes passes_before = model.passes();
  const AttackEntry& entry = *Registry<AttackEntry>::find(perturbation.name);
  const auto attacks = make_attacks(perturbation.name, perturbation.params);
  const std::int64_t n = hi - lo, dim = data_.dim();
  int rounds = 0, ranks = 0, scratch_rows = 0, draws = 1;
  std::size_t lane_bytes = 0;
  for (const auto& attack : attacks) {
    attack->targets = std::min(attack->targets, model.classes() - 1);
    rounds += rounds_of(*attack);
    ranks = std::max(ranks, attack->targets);
    scratch_rows = std::max(scratch_rows, attack->scratch_rows);
    lane_bytes = std::max(lane_bytes, attack->lane_bytes);
    draws = std::max(draws, attack->draws);
  }
  const std::int64_t items = n * rounds;
  UnitResult result;

  Workspace& work = *work_;
  const auto hold = [&](auto& buffer, std::int64_t size) { return work.hold(exec_, buffer, size); };
  if (work.rows.empty()) work.rows.resize(1);
  Pool pool;
  pool.lo = lo;
  pool.n = n;
  pool.dim = dim;
  pool.spent = hold(work.spent, items);
  pool.flags = hold(work.flags, n);
  pool.winner = hold(work.winner, n);
  pool.kept = hold(work.kept, n);
  pool.rows = hold(work.rows[0], n + kFewestRows);
  pool.points = hold(work.points, n * dim);
  pool.ranks = ranks;
  pool.rank = hold(work.rank, n * ranks);
  const std::uint32_t* streams = streams_of(attacks);
  pool.epsilon = static_cast<float>(real_param(perturbation.params, "epsilon"));
  pool.full = bool_param(perturbation.params, "full");
  pool.next = hold(work.next, 1);
  pool.counts = hold(work.counts, 1);

  LaneTable lanes;
  LaneBatch& batch = lanes.batch;
  batch.dim = dim;
  batch.c = data_.c;
  batch.h = data_.h;
  batch.w = data_.w;
  batch.classes = model.classes();
  batch.seed = seed_;
  batch.full = pool.full;
  batch.item = lanes.item = hold(work.item, batch_);
  batch.state = hold(work.state, batch_ * static_cast<std::int64_t>(lane_bytes));
  batch.clean = lanes.clean = hold(work.clean_pixels, batch_ * dim);
  batch.point = hold(work.point, batch_ * dim);
  batch.scratch = hold(work.scratch, batch_ * dim * scratch_rows);
  batch.value = hold(work.value, batch_);
  batch.label = lanes.label = hold(work.lane_label, batch_);
  batch.target = hold(work.target, batch_);
  batch.seen = lanes.seen = hold(work.seen, batch_);
  batch.verdict = hold(work.verdict, batch_);
  batch.ever = hold(work.ever, batch_);
  lanes.spent = hold(work.lane_spent, batch_);
  lanes.row = hold(work.lane_row, batch_);
  lanes.take = hold(work.take, batch_);
  lanes.from = hold(work.from, batch_);
  hold(work.cotangent, batch_ * batch.classes);
  if (draws > 1) hold(work.gradient, batch_ * dim);
  hold(work.winners, n);
  std::uint64_t* totals = hold(work.totals, 2);
  std::uint64_t* each = exported == nullptr ? nullptr : hold(work.passes, n);
  hold(work.states, state_words(CellKind::attacked));
  if (streamed_) place(lo, hi);

  try {
    zero(exec_, pool.spent, items);
    begin_pool(exec_, pool);
    clean_samples(pool, model);
    for (const auto& attack : attacks) {
      lanes.state_bytes = static_cast<std::int64_t>(attack->lane_bytes);
      lanes.scratch_rows = attack->scratch_rows;
      pool.streams = streams;
      pool.targets = attack->targets;
      pool.first = pool.end;
      pool.end += static_cast<std::uint32_t>(n * rounds_of(*attack));
      run_items(*attack, pool, lanes, model);
      streams += rounds_of(*attack);
    }
    const auto counts = std::bit_cast<PoolCounts>(counter_.read(pool.counts, true));
    verify(pool, entry.norm == "linf" ? Norm::linf : entry.norm == "l2" ? Norm::l2 : Norm::l1, model, counts.winners);
    finish_pool(exec_, pool, items, totals, each);
    finish(result, CellKind::attacked, pool.rows, n);
    std::array<std::uint64_t, 2> charged{};
    fetch_unit(exec_, charged.data(), totals, sizeof charged);
    result.host_bytes += sizeof charged;
    result.passes = {charged[0], charged[1]};
    result.evaluated = {model.passes().forward - passes_before.forward,
                        model.passes().backward - passes_before.backward};
    if (exported != nullptr) {
      exported->points.resize(static_cast<std::size_t>(n * dim));
      exported->passes.resize(static_cast<std::size_t>(n));
      export_images(exec_, exported->points.data(), pool.points, exported->points.size() * sizeof(float));
      export_images(exec_, exported->passes.data(), each, exported->passes.size() * sizeof(std::uint64_t));
    }
  } catch (const Error& e) {
    if (e.code() == ExitCode::device) throw;
    result.error = e.what();
  }
  result.seconds = seconds_since(began);
  result.model_seconds = model.seconds() - model_before;
  return result;
}

/// The random streams of all rounds of the attacks, on the device.
const std::uint32_t* Evaluator::streams_of(const std::vector<std::unique_ptr<Attack>>& attacks) {
  std::vector<std::uint32_t> streams;
  for (const auto& attack : attacks)
    for (int restart = 0; restart < attack->restarts; ++restart)
      for (int target = 0; target < std::max(attack->targets, 1); ++target)
        streams.push_back(
            stream_id("attack", attack->name.c_str(), restart, attack->targets > 0 ? target : -1, "start"));
  if (work_->stream_list != streams) {
    std::uint32_t* there = work_->hold(exec_, work_->streams, static_cast<std::int64_t>(streams.size()));
    upload(exec_, there, streams.data(), streams.size() * sizeof(std::uint32_t));
    work_->stream_list = std::move(streams);
  }
  return work_->streams.data();
}

}  // namespace assay
