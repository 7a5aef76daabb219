#include "engine/evaluate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <limits>
#include <utility>

#include "assay/core/error.hpp"
#include "assay/core/philox.hpp"
#include "assay/loss.hpp"
#include "engine/check_params.hpp"
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

}  // namespace

/// What a unit works in; grown before its first batch, kept for the next.
struct Evaluator::Workspace {
  Buffer<std::uint32_t> sample;
  Buffer<std::uint16_t> label;
  Buffer<float> pixels;
  Buffer<std::uint64_t> states;
  std::vector<Buffer<SampleRow>> rows;  // a model
  std::vector<Buffer<float>> logits;    // where they are kept
  // corruptions
  std::vector<LoadedCorruption> corruptions;
  Buffer<std::uint8_t> clean, corrupted, unit;
  Buffer<float> real;
  // attacks: the pool
  Buffer<std::uint64_t> spent, totals, passes;
  Buffer<std::uint16_t> flags, votes;
  Buffer<std::uint32_t> winner, kept, winners, next, streams;
  std::vector<std::uint32_t> stream_list;  // what `streams` holds
  Buffer<float> clean_gradients;
  // a curve's
  Buffer<std::uint16_t> due;
  Buffer<std::int16_t> failed, fell;
  Buffer<SampleRow> clean_rows, level_rows;
  Buffer<std::uint8_t> visited;
  Buffer<std::uint16_t> rank, goal;
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
  Buffer<float> step, starts;

  template <class T>
  static T* hold(const Exec& exec, Buffer<T>& buffer, std::int64_t size) {
    if (buffer.size() < size) buffer = {exec, size};
    return buffer.data();
  }
};

Evaluator::Evaluator(const Exec& exec, const DataSet& data, std::int64_t batch, std::uint64_t seed,
                     const StopFlag& stop, bool keep_logits)
    : exec_(exec),
      data_(data),
      batch_(std::max(batch, kFewestRows)),
      seed_(seed),
      stop_(stop),
      keep_logits_(keep_logits),
      counter_(exec, lag_of(exec.backend)),
      uploader_(exec),
      work_(std::make_unique<Workspace>()) {
  work_->sample = {exec, batch_};
  work_->label = {exec, batch_};
  work_->pixels = {exec, batch_ * data.dim()};
  resident_.label = data.labels.data();
  streamed_ = data.read != nullptr;
  if (exec.backend != Backend::cpu) {
    resident_labels_ = {exec, data.n};
    uploader_.upload(resident_labels_.data(), data.labels.data(), data.labels.size() * sizeof(data.labels[0]));
    resident_.label = resident_labels_.data();
    streamed_ = streamed_ || data.bytes.size() + data.floats.size() * sizeof(float) > exec.memory->available() / 2;
  }
  if (!streamed_) place(0, data.n);
}

Evaluator::~Evaluator() = default;

/// Brings the images of samples [lo, hi) to the device. The stream orders the copies behind what still reads the last
/// ones.
void Evaluator::place(std::int64_t lo, std::int64_t hi) {
  pixels_ = data_.pixels(lo, hi);
  const auto put = [&](auto& buffer, const auto* from, auto& there) {
    if (from == nullptr) return;
    if (exec_.backend != Backend::cpu) {
      const std::int64_t size = (hi - lo) * data_.dim();
      if (buffer.size() < size) buffer = {exec_, size};
      uploader_.upload(buffer.data(), from, static_cast<std::size_t>(size) * sizeof(from[0]));
      from = buffer.data();
    }
    there = {from, hi - lo, data_.c, data_.h, data_.w};
  };
  put(resident_bytes_, pixels_.bytes, resident_.bytes);
  put(resident_floats_, pixels_.floats, resident_.floats);
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

/// Whether a unit keeps a state of it; of a rank statistic it keeps the rows.
static bool sums(const Metric& metric, CellKind kind) {
  return metric.reduce != nullptr && metric.applies(kind);
}

std::int64_t Evaluator::state_words(CellKind kind) const {
  std::int64_t words = 0;
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (sums(metric, kind)) words += metric.words;
  return words;
}

/// The device's half of reduce, and the one fetch of a unit.
void Evaluator::finish(UnitResult& result, CellKind kind, const SampleRow* rows, std::int64_t n) {
  const std::int64_t words = state_words(kind);
  std::uint64_t* const states = work_->states.data();
  zero(exec_, states, words);
  std::int64_t at = 0;
  for (const auto& [name, metric] : Registry<Metric>::all())
    if (sums(metric, kind)) {
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
    if (sums(metric, kind)) {
      result.states[name] = {word, word + metric.words};
      word += metric.words;
    }
}

/// Those before a perturbation, and itself where it is one; a pass through JPEG behind each that is stored.
void Evaluator::load_corruptions(const Perturbation& last) {
  Workspace& work = *work_;
  std::size_t count = 0;
  const auto load = [&](const Corruption& entry, const CorruptionArgs& args) {
    if (work.corruptions.size() == count) work.corruptions.emplace_back();
    LoadedCorruption& corruption = work.corruptions[count++];
    const CorruptionShape shape{args, data_.h, data_.w};
    if (!corruption.is(entry, shape)) corruption = {exec_, entry, shape, batch_};
  };
  const auto add = [&](const Perturbation& one) {
    load(*Registry<Corruption>::find(one.name), corruption_args(one));
    if (text_param(one.params, "pipeline") == "stored") load(stored_pass(), {});
  };
  for (const Perturbation& one : last.before) add(one);
  if (last.kind == Perturbation::Kind::corruption) add(last);
  work.corruptions.resize(count);
  work.hold(exec_, work.clean, batch_ * data_.dim());
  work.hold(exec_, work.corrupted, batch_ * data_.dim());
  work.hold(exec_, work.real, batch_ * 3 * data_.h * data_.w);
}

/// From `clean` to `to` and, as reals, to `pixels`.
void Evaluator::corrupt_batch(std::int64_t n, std::uint8_t* to) {
  Workspace& work = *work_;
  const std::uint8_t* from = work.clean.data();
  for (const LoadedCorruption& corruption : work.corruptions) {
    corruption.apply(exec_, {.images = {from, n, data_.c, data_.h, data_.w},
                             .out = work.real.data(),
                             .sample = work.sample.data(),
                             .seed = seed_});
    quantise(exec_, work.real.data(), {to, n, data_.c, data_.h, data_.w}, work.pixels.data());
    from = to;
  }
}

/// Samples [lo, hi) behind the corruptions that are loaded, in place of the resident ones.
ResidentData Evaluator::corrupted_unit(std::int64_t lo, std::int64_t hi) {
  Workspace& work = *work_;
  const std::int64_t dim = data_.dim();
  std::uint8_t* const unit = work.hold(exec_, work.unit, (hi - lo + kFewestRows) * dim);
  for (std::int64_t first = lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    gather_bytes(exec_, resident_, work.sample.data(), n, work.clean.data(), work.label.data());
    corrupt_batch(n, unit + (first - lo) * dim);
  }
  return {{unit, hi - lo, data_.c, data_.h, data_.w}, {}, resident_.label, lo};
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
  if (keep_logits_ && work.logits.size() < models.size()) work.logits.resize(models.size());
  for (std::size_t m = 0; keep_logits_ && m < models.size(); ++m)
    work.hold(exec_, work.logits[m], (hi - lo) * models[m]->classes());
  if (corruption != nullptr) load_corruptions(*corruption);
  const std::uint32_t* sample = work.sample.data();
  float* pixels = work.pixels.data();
  std::uint16_t* label = work.label.data();

  for (std::int64_t first = lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    if (corruption == nullptr) {
      gather_pixels(exec_, resident_, sample, n, pixels, label);
    } else {
      gather_bytes(exec_, resident_, sample, n, work.clean.data(), label);
      corrupt_batch(n, work.corrupted.data());
    }
    for (std::size_t m = 0; m < models.size(); ++m) {
      UnitResult& result = results[m];
      if (!result.error.empty()) continue;
      check_stop();
      const double model_before = models[m]->seconds();
      try {
        const float* logits = models[m]->forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, false);
        score_logits(exec_, n, models[m]->classes(), logits, label, nullptr, work.rows[m].data() + (first - lo));
        if (keep_logits_)
          keep_rows(exec_, std::min(batch_, hi - first), models[m]->classes(), logits,
                    work.logits[m].data() + (first - lo) * models[m]->classes());
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
    if (results[m].error.empty() && keep_logits_)
      fetch_logits(results[m], work.logits[m].data(), (hi - lo) * models[m]->classes());
    results[m].seconds = seconds_since(began) / static_cast<double>(models.size());
  }
  return results;
}

/// Items a sample.
static int rounds_of(const Attack& attack) {
  return attack.restarts * std::max(attack.targets, 1);
}

/// What the model says of the clean images: where every sample of the pool begins. With a loss, its gradients there
/// too.
void Evaluator::clean_samples(const Pool& pool, Aim aim, const Loss* loss, Model& model) {
  Workspace& work = *work_;
  float* pixels = work.pixels.data();
  std::uint16_t* label = work.label.data();
  const std::int64_t hi = pool.lo + pool.n;
  for (std::int64_t first = pool.lo; first < hi; first += batch_) {
    const std::int64_t n = load_batch(first, hi);
    gather_pixels(exec_, resident_, work.sample.data(), n, pixels, label);
    const float* logits = model.forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, loss != nullptr);
    score_logits(exec_, n, model.classes(), logits, label, nullptr, pool.rows + (first - pool.lo));
    const std::int64_t rows = std::min(batch_, hi - first);
    begin_samples(exec_, pool, first - pool.lo, rows, pixels);
    if (pool.ranks > 0) rank_targets(exec_, pool, first - pool.lo, rows, model.classes(), logits, label);
    if (aim) aim_samples(exec_, pool, aim, first - pool.lo, n, model.classes(), logits, label);
    if (loss != nullptr) {
      const std::uint16_t* const target = aim ? pool.goal + (first - pool.lo) : nullptr;
      loss->evaluate(exec_, {n, model.classes(), logits, label, target, work.value.data(), work.cotangent.data()});
      begin_gradients(exec_, pool, first - pool.lo, rows, model.vjp(exec_, work.cotangent.data()));
    }
  }
}

template <class T>
static std::vector<T> exported_column(const Exec& exec, const T* column, std::int64_t rows) {
  std::vector<T> here(static_cast<std::size_t>(rows));
  export_images(exec, here.data(), column, here.size() * sizeof(T));
  return here;
}

/// Attack::advance, and the answers that it consumes. Verdicts are fetched before it overwrites them, the rest before
/// lanes go to other items.
static void advance_traced(const Exec& exec, const Attack& attack, const Pool& pool, const LaneBatch& batch,
                           std::vector<TraceStep>& trace) {
  std::vector<Verdict> asked = exported_column<Verdict>(exec, batch.verdict, batch.lanes);
  attack.advance(exec, batch);
  const std::vector<Verdict> now = exported_column<Verdict>(exec, batch.verdict, batch.lanes);
  const auto item = exported_column<LaneItem>(exec, batch.item, batch.lanes);
  const auto target = exported_column<std::uint16_t>(exec, batch.target, batch.lanes);
  const auto loss = exported_column<float>(exec, batch.value, batch.lanes);
  const auto step = exported_column<float>(exec, batch.step, batch.lanes);
  const bool one_loss = !attack.loss.empty() && !attack.every_class;
  LaneBatch before = batch;
  before.verdict = asked.data();
  for (std::size_t r = 0; r < asked.size(); ++r) {
    if (!served(before, static_cast<std::int64_t>(r))) continue;
    const std::size_t nth = r % static_cast<std::size_t>(batch.width);
    if (nth > 0 && now[r - nth] == Verdict::fooled) continue;  // as settle charges
    trace.push_back({.sample = item[r].sample,
                     .item = item[r].number / static_cast<std::uint32_t>(pool.n),
                     .query = static_cast<std::uint32_t>(trace.size()),
                     .target = attack.targets > 0 || attack.aim ? target[r] : kNoTarget,
                     .loss = one_loss ? loss[r] : std::numeric_limits<float>::quiet_NaN(),
                     .step = step[r]});
  }
}

/// Sorts and numbers the answers, and leaves out those to items behind the one that fooled: how many of them there are
/// depends on the lanes.
static void finish_trace(const Exec& exec, const Pool& pool, std::vector<TraceStep>& trace) {
  const auto winner = exported_column<std::uint32_t>(exec, pool.winner, pool.n);
  if (!pool.full)
    std::erase_if(trace, [&](const TraceStep& one) {
      const std::int64_t u = one.sample - pool.lo;
      return one.item * pool.n + u > winner[static_cast<std::size_t>(u)];
    });
  const auto place = [](const TraceStep& one) { return std::pair(one.sample, one.item); };
  std::ranges::sort(trace, {}, [&](const TraceStep& one) { return std::pair(place(one), one.query); });
  for (std::size_t i = 0; i < trace.size(); ++i)
    trace[i].query = i > 0 && place(trace[i]) == place(trace[i - 1]) ? trace[i - 1].query + 1 : 0;
}

/// One attack on all samples of the pool that are still to be fooled. The number of lanes begins at the batch and
/// falls, by an eighth of it or 8 rows, to what is left and kFewestRows.
void Evaluator::run_items(const Attack& attack, const Pool& pool, LaneTable lanes, Model& model,
                          std::vector<TraceStep>* trace) {
  const Loss* const loss = attack.loss.empty() ? nullptr : Registry<Loss>::find(attack.loss);
  LaneBatch& batch = lanes.batch;
  const auto images = [&](const float* x) { return Images{x, batch.lanes, data_.c, data_.h, data_.w}; };
  // A few fixed sizes, as each may be another kernel of the model's.
  const std::int64_t step = std::max(batch_ / 8, kFewestRows / 2);
  batch.width = std::min<std::int64_t>(attack.width, batch_);
  const auto fewer = [&](std::int64_t needed) {
    const std::int64_t rows = std::min(batch.lanes, std::max(kFewestRows, (needed + step - 1) / step * step));
    return std::max(kFewestRows, rows / batch.width * batch.width);
  };
  batch.wrong_ends = attack.any_success && !pool.full && attack.draws == 1;
  // Where more items end by the logits than want a gradient, the others repeat the forward pass later. Only a host that
  // need not wait for the counts can tell.
  const bool asks_first = batch.wrong_ends && lag_of(exec_.backend) == 0;
  batch.lanes = batch_;
  batch.lanes = fewer(pool.n * rounds_of(attack) * batch.width);
  begin_items(exec_, pool, resident_, lanes);
  const auto take_up = [&] {
    refill(exec_, pool, resident_, lanes);
    attack.start(exec_, batch);
    count_lanes(exec_, pool, lanes);
  };
  take_up();
  counter_.restart();
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
    // Where most lanes want no gradient the others wait for a step of their own: a backward pass costs more than the
    // forward pass that they repeat.
    batch.answers = 2 * counts.gradients < counts.active ? Answers::looks : Answers::all;
    bool gradients = loss != nullptr && batch.answers == Answers::all;
    const int draws = gradients ? attack.draws : 1, directions = attack.every_class ? batch.classes - 1 : 1;
    for (int draw = 0; draw < draws; ++draw) {
      batch.logits = model.forward(exec_, images(batch.point), gradients);
      judge(exec_, lanes, draw == 0);
      if (gradients && asks_first) {
        count_ended(exec_, pool, lanes);
        const auto split = std::bit_cast<PoolCounts>(counter_.read(pool.counts));
        if (split.active > split.gradients) {
          batch.answers = Answers::ended;
          hold_back(exec_, lanes);
          gradients = false;
        }
      }
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
    if (trace == nullptr)
      attack.advance(exec_, batch);
    else
      advance_traced(exec_, attack, pool, batch, *trace);
    settle(exec_, pool, lanes);
    take_up();
  }
}

/// Asks the model again about every point that is claimed to fool it, as it is stored, in a batch of nothing else; as
/// often as the attack averages gradients, or once more for an odd number, so that no lucky draw of a randomised model
/// counts.
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
    for (int nth = 0; nth < pool.asked; ++nth) {
      const float* logits = model.forward(exec_, {pixels, n, data_.c, data_.h, data_.w}, false);
      score_logits(exec_, useful, model.classes(), logits, label, nullptr, work.lane_row.data());
      verify_points(exec_, pool, norm, sample, useful, work.lane_row.data(), clean, pixels, nth);
    }
  }
}

/// What the model says of the points that rows tell of, in batches of nothing else.
void Evaluator::keep_logits(const Pool& pool, Model& model, UnitResult& result) {
  Workspace& work = *work_;
  if (work.logits.empty()) work.logits.resize(1);
  float* const kept = work.hold(exec_, work.logits[0], pool.n * model.classes());
  const ResidentData points{{}, {pool.points, pool.n, data_.c, data_.h, data_.w}, resident_.label + pool.lo, 0};
  for (std::int64_t first = 0; first < pool.n; first += batch_) {
    const std::int64_t n = load_batch(first, pool.n);
    gather_pixels(exec_, points, work.sample.data(), n, work.pixels.data(), work.label.data());
    const float* logits = model.forward(exec_, {work.pixels.data(), n, data_.c, data_.h, data_.w}, false);
    keep_rows(exec_, std::min(batch_, pool.n - first), model.classes(), logits, kept + first * model.classes());
  }
  fetch_logits(result, kept, pool.n * model.classes());
}

void Evaluator::fetch_logits(UnitResult& result, const float* logits, std::int64_t values) {
  result.logits.resize(static_cast<std::size_t>(values));
  const std::size_t bytes = result.logits.size() * sizeof(float);
  fetch_unit(exec_, result.logits.data(), logits, bytes);
  result.host_bytes += bytes;
}

/// One radius of a curve.
struct Evaluator::Level {
  std::vector<std::unique_ptr<Attack>> attacks;
  float epsilon = 0;
  std::size_t at = 0;  ///< which of the perturbations it is
  int rounds = 0;
};

UnitResult Evaluator::attacked(const Perturbation& perturbation, std::int64_t lo, std::int64_t hi, Model& model,
                               AttackExport* exported, std::span<const float> starts) {
  return std::move(attack({&perturbation, 1}, lo, hi, model, exported, starts).front());
}

std::vector<UnitResult> Evaluator::curve(std::span<const Perturbation> perturbations, std::int64_t lo, std::int64_t hi,
                                         Model& model, AttackExport* exported) {
  return attack(perturbations, lo, hi, model, exported, {});
}

/// The points of what has fallen by now, before a smaller radius may write over them.
void Evaluator::export_fallen(const Pool& pool, AttackExport& exported) const {
  const auto n = static_cast<std::size_t>(pool.n), dim = static_cast<std::size_t>(pool.dim);
  exported.points.resize(n * dim);
  std::vector<float> points(n * dim);
  std::vector<std::uint16_t> flags(n);
  export_images(exec_, points.data(), pool.points, points.size() * sizeof(float));
  export_images(exec_, flags.data(), pool.flags, flags.size() * sizeof(std::uint16_t));
  for (std::size_t u = 0; u < n; ++u)
    if ((flags[u] & SampleRow::fooled_final) != 0)
      std::copy_n(points.data() + u * dim, dim, exported.points.data() + u * dim);
}

/// Levels in the order in which halving reaches them: every one after those that may send a sample to it.
static std::vector<int> order_of(int levels, bool bisect) {
  std::vector<int> order;
  if (!bisect) {
    for (int level = 0; level < levels; ++level) order.push_back(level);
    return order;
  }
  std::vector<std::pair<int, int>> gaps = {{-1, levels}};
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const auto [low, high] = gaps[i];
    const int level = low + (high - low) / 2;
    if (level <= low || level >= high) continue;
    order.push_back(level);
    gaps.emplace_back(low, level);
    gaps.emplace_back(level, high);
  }
  return order;
}

std::vector<UnitResult> Evaluator::attack(std::span<const Perturbation> perturbations, std::int64_t lo, std::int64_t hi,
                                          Model& model, AttackExport* exported, std::span<const float> starts) {
  Clock::time_point began = Clock::now();
  const AttackEntry& entry = *Registry<AttackEntry>::find(perturbations.front().name);
  const std::int64_t n = hi - lo, dim = data_.dim();
  // Without its points the attack would begin at others and say nothing.
  if (start_file(perturbations.front().params).empty() ? !starts.empty() : std::ssize(starts) != n * dim)
    throw Error(ExitCode::internal, "starting points that are not those of the attack's file");
  std::vector<Level> levels(perturbations.size());
  int rounds = 0, ranks = 0, scratch_rows = 0, draws = 1;
  std::size_t lane_bytes = 0;
  const bool full = bool_param(perturbations.front().params, "full");
  const Loss* clean_loss = nullptr;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    Level& level = levels[i];
    level.at = i;
    level.epsilon = static_cast<float>(real_param(perturbations[i].params, "epsilon"));
    level.attacks = make_attacks(perturbations[i].name, perturbations[i].params);
    for (const auto& attack : level.attacks) {
      attack->targets = std::min(attack->targets, model.classes() - 1);
      level.rounds += rounds_of(*attack);
      ranks = std::max(ranks, attack->targets);
      scratch_rows = std::max(scratch_rows, attack->scratch_rows);
      lane_bytes = std::max(lane_bytes, attack->lane_bytes);
      draws = std::max(draws, attack->draws);
    }
    rounds = std::max(rounds, level.rounds);
    if (!full && level.attacks.size() == 1 && level.attacks.front()->clean_gradient)
      clean_loss = Registry<Loss>::find(level.attacks.front()->loss);
  }
  std::ranges::sort(levels, {}, [](const Level& level) { return std::pair(level.epsilon, level.at); });
  const bool alone = levels.size() == 1;
  std::vector<UnitResult> results(levels.size());

  Workspace& work = *work_;
  const auto hold = [&](auto& buffer, std::int64_t size) { return work.hold(exec_, buffer, size); };
  if (work.rows.empty()) work.rows.resize(1);
  Pool pool;
  pool.lo = lo;
  pool.n = n;
  pool.dim = dim;
  pool.spent = hold(work.spent, n * rounds);
  pool.flags = hold(work.flags, n);
  pool.winner = hold(work.winner, n);
  pool.kept = hold(work.kept, n);
  pool.rows = hold(work.rows[0], n + kFewestRows);
  pool.points = hold(work.points, n * dim);
  pool.ranks = ranks;
  pool.rank = hold(work.rank, n * ranks);
  pool.asked = draws / 2 * 2 + 1;
  if (pool.asked > 1) pool.votes = hold(work.votes, n);
  const Aim aim = levels.front().attacks.front()->aim;
  if (aim) pool.goal = hold(work.goal, n + kFewestRows);
  if (clean_loss != nullptr) pool.gradients = hold(work.clean_gradients, n * dim);
  const std::uint32_t* const streams = streams_of(levels.front().attacks);
  pool.full = full;
  pool.next = hold(work.next, 1);
  pool.counts = hold(work.counts, 1);

  Curve all;
  if (!alone) {
    const auto count = static_cast<std::int64_t>(levels.size());
    all.levels = static_cast<int>(count);
    all.bisect = text_param(perturbations.front().params, "mode") == "bisect";
    pool.due = all.due = hold(work.due, n);
    all.failed = hold(work.failed, n);
    all.fell = hold(work.fell, n);
    all.clean = hold(work.clean_rows, n);
    all.rows = hold(work.level_rows, count * n);
    all.visited = hold(work.visited, count * n);
  }

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
  batch.clean_gradient = pool.gradients;
  batch.first = static_cast<std::uint32_t>(lo);
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
  lanes.aimed = static_cast<bool>(aim);
  if (!starts.empty()) {
    float* const there = hold(work.starts, n * dim);
    uploader_.upload(there, starts.data(), starts.size_bytes());
    batch.starts = there;
  }
  std::vector<TraceStep>* const trace = exported != nullptr && exported->trace ? &*exported->trace : nullptr;
  if (trace != nullptr) {
    trace->clear();
    batch.step = hold(work.step, batch_);
  }
  hold(work.cotangent, batch_ * batch.classes);
  if (draws > 1) hold(work.gradient, batch_ * dim);
  hold(work.winners, n);
  std::uint64_t* const totals = hold(work.totals, 2 * static_cast<std::int64_t>(levels.size()));
  std::uint64_t* const each = exported == nullptr || !alone ? nullptr : hold(work.passes, n);
  hold(work.states, state_words(CellKind::attacked));
  if (streamed_) place(lo, hi);
  const ResidentData clean_data = resident_;
  if (!perturbations.front().before.empty()) {
    load_corruptions(perturbations.front());
    resident_ = corrupted_unit(lo, hi);
  }
  struct Restored {
    ResidentData &at, to;
    ~Restored() { at = to; }
  } const restored{resident_, clean_data};
  const Norm norm = entry.norm == "linf" ? Norm::linf : entry.norm == "l2" ? Norm::l2 : Norm::l1;

  double model_before = model.seconds();
  Passes passes_before = model.passes();
  try {
    begin_pool(exec_, pool);
    clean_samples(pool, aim, clean_loss, model);
    if (!alone) begin_curve(exec_, pool, all);
    Passes clean{1, clean_loss != nullptr ? 1u : 0u};  // charged to the level that comes first
    for (const int which : order_of(static_cast<int>(levels.size()), all.bisect)) {
      const Level& level = levels[static_cast<std::size_t>(which)];
      UnitResult& result = results[level.at];
      pool.level = static_cast<std::uint16_t>(which);
      pool.epsilon = level.epsilon;
      if (!alone) begin_level(exec_, pool, all);
      zero(exec_, pool.spent, n * level.rounds);
      pool.streams = streams;
      pool.end = 0;
      for (const auto& attack : level.attacks) {
        lanes.state_bytes = static_cast<std::int64_t>(attack->lane_bytes);
        lanes.scratch_rows = attack->scratch_rows;
        pool.targets = attack->targets;
        pool.first = pool.end;
        pool.end += static_cast<std::uint32_t>(n * rounds_of(*attack));
        run_items(*attack, pool, lanes, model, trace);
        pool.streams += rounds_of(*attack);
      }
      const auto counts = std::bit_cast<PoolCounts>(counter_.read(pool.counts, true));
      verify(pool, norm, model, counts.winners);
      sum_passes(exec_, pool, n * level.rounds, clean, totals + 2 * level.at, each);
      if (!alone) end_level(exec_, pool, all);
      if (exported != nullptr && !alone && counts.winners > 0) export_fallen(pool, *exported);
      clean = {0, 0};
      result.evaluated = {model.passes().forward - passes_before.forward,
                          model.passes().backward - passes_before.backward};
      passes_before = model.passes();
      result.seconds = seconds_since(began);
      began = Clock::now();
      result.model_seconds = model.seconds() - model_before;
      model_before = model.seconds();
    }
    if (alone)
      finish_rows(exec_, pool);
    else
      finish_curve(exec_, pool, all);
    for (std::size_t which = 0; which < levels.size(); ++which)
      finish(results[levels[which].at], CellKind::attacked,
             alone ? pool.rows : all.rows + static_cast<std::int64_t>(which) * n, n);
    std::vector<std::uint64_t> charged(2 * levels.size());
    fetch_unit(exec_, charged.data(), totals, charged.size() * sizeof(charged[0]));
    for (std::size_t at = 0; at < results.size(); ++at) {
      results[at].host_bytes += 2 * sizeof(charged[0]);
      results[at].passes = {charged[2 * at], charged[2 * at + 1]};
    }
    if (keep_logits_ && alone) keep_logits(pool, model, results.front());
    if (trace != nullptr) finish_trace(exec_, pool, *trace);
    if (exported != nullptr) exported->asked = pool.asked;
    if (exported != nullptr && aim) exported->targets = exported_column<std::uint16_t>(exec_, pool.goal, n);
    if (exported != nullptr && alone) {
      exported->points.resize(static_cast<std::size_t>(n * dim));
      exported->passes.resize(static_cast<std::size_t>(n));
      export_images(exec_, exported->points.data(), pool.points, exported->points.size() * sizeof(float));
      export_images(exec_, exported->passes.data(), each, exported->passes.size() * sizeof(std::uint64_t));
    }
    results.back().seconds += seconds_since(began);
  } catch (const Error& e) {
    if (e.code() == ExitCode::device) throw;
    for (UnitResult& result : results) result.error = e.what();
  }
  return results;
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
