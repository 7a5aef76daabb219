#include "assay/core/team.hpp"
#include "core/pixels.hpp"
#include "core/score.hpp"
#include "core/side_by_side.hpp"

namespace assay {
namespace {

struct GatherPixels {
  ResidentData data;
  const std::uint32_t* sample;
  float* out;
  std::uint16_t* label;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t from = sample[row];
    const std::int64_t dim = data.bytes.data != nullptr ? data.bytes.dim() : data.floats.dim();
    fill_pixels(team, data, from, out + row * dim);
    team.once([&] { label[row] = data.label[from]; });
  }
};

struct GatherBytes {
  ResidentData data;
  const std::uint32_t* sample;
  std::uint8_t* out;
  std::uint16_t* label;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t from = sample[row], dim = data.bytes.dim();
    const std::uint8_t* in = data.bytes.data + (from - data.first) * dim;
    std::uint8_t* to = out + row * dim;
    team.map(dim, to, [](std::uint8_t v) { return v; }, in);
    team.once([&] { label[row] = data.label[from]; });
  }
};

ASSAY_HD std::uint32_t level(float v) {
  return static_cast<std::uint32_t>(clamp01(v) * 255.f);
}

struct Quantise {
  const float* corrupted;
  Images<std::uint8_t> bytes;
  float* pixels;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t plane = bytes.plane(), dim = bytes.dim();
    const float* in = corrupted + row * 3 * plane;
    std::uint8_t* out = bytes.data + row * dim;
    float* real = pixels == nullptr ? nullptr : pixels + row * dim;
    if (bytes.c == 1)
      team.map(
          plane, out,
          [](float r, float g, float b) {
            const std::uint32_t sum = level(r) * 19595u + level(g) * 38470u + level(b) * 7471u;
            return static_cast<std::uint8_t>((sum + 0x8000u) >> 16);
          },
          in, in + plane, in + 2 * plane);
    else
      team.map(dim, out, [](float v) { return static_cast<std::uint8_t>(level(v)); }, in);
    if (real != nullptr) team.map(dim, real, [](std::uint8_t v) { return unit_pixel(v); }, out);
  }
};

struct Luma {
  const float* rgb;
  Images<float> out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const std::int64_t plane = out.plane();
    const float* in = rgb + row * 3 * plane;
    float* to = out.data + row * plane;
    team.map(
        plane, to, [](float r, float g, float b) { return 0.299f * r + 0.587f * g + 0.114f * b; }, in, in + plane,
        in + 2 * plane);
  }
};

struct ScoreLogits {
  [[maybe_unused]] static constexpr int kTeamsTogether = kScoringTeams;
  int classes;
  const float* logits;
  const std::uint16_t* label;
  const std::uint16_t* flags;
  SampleRow* out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* z = logits + row * classes;
    const int truth = label[row];
    const unsigned known = flags == nullptr ? 0u : flags[row];
    const SampleRow result = score_row(team, classes, z, truth, known);
    team.once([&] { out[row] = result; });
  }
};

struct ScoreProbabilities {
  int classes;
  const float* probabilities;
  const std::uint16_t* label;
  SampleRow* out;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    const float* p = probabilities + row * classes;
    const int truth = label[row];
    SampleRow result = undecided_row(0);
    const bool broken = team.count(classes, [=](std::int64_t k) { return !(p[k] >= 0.f && p[k] <= 1.f); }) != 0;
    if (!broken) {
      const float nll = p[truth] > 0.f ? static_cast<float>(-log_positive(static_cast<double>(p[truth]))) : INFINITY;
      result = describe(team, classes, arg_max(team, p, classes), truth, nll, 0, p,
                        [=](std::int64_t k) { return static_cast<double>(p[k]); });
    }
    team.once([&] { out[row] = result; });
  }
};

struct NumberRows {
  std::int64_t rows, first, last;
  std::uint32_t* sample;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const std::int64_t from = first, until = last;
    std::uint32_t* to = sample;
    team.each(rows, [=](std::int64_t r) { to[r] = static_cast<std::uint32_t>(from + r < until ? from + r : until); });
  }
};

struct PickRows {
  std::int64_t rows, first, last;
  const std::uint32_t* list;
  std::uint32_t* sample;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    const PickRows own = *this;
    team.each(rows,
              [=](std::int64_t r) { own.sample[r] = own.list[own.first + r < own.last ? own.first + r : own.last]; });
  }
};

struct KeepRows {
  const float* from;
  std::int64_t width;
  float* to;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t row) const {
    team.map(width, to + row * width, [](float v) { return v; }, from + row * width);
  }
};

struct Zero {
  std::uint64_t* words;
  std::int64_t count;

  template <class Team>
  ASSAY_HD void operator()(Team& team, std::int64_t) const {
    std::uint64_t* w = words;
    team.each(count, [=](std::int64_t i) { w[i] = 0; });
  }
};

}  // namespace

void gather_pixels(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                   float* out, std::uint16_t* label) {
  const std::int64_t dim = data.bytes.data != nullptr ? data.bytes.dim() : data.floats.dim();
  for_each_row(exec, rows, dim, GatherPixels{data, sample, out, label});
}
void gather_bytes(const Exec& exec, const ResidentData& data, const std::uint32_t* sample, std::int64_t rows,
                  std::uint8_t* out, std::uint16_t* label) {
  for_each_row(exec, rows, data.bytes.dim(), GatherBytes{data, sample, out, label});
}
void quantise(const Exec& exec, const float* corrupted, Images<std::uint8_t> bytes, float* pixels) {
  for_each_row(exec, bytes.n, bytes.dim(), Quantise{corrupted, bytes, pixels});
}
void luma(const Exec& exec, const float* rgb, Images<float> out) {
  for_each_row(exec, out.n, out.dim(), Luma{rgb, out});
}
void score_logits(const Exec& exec, std::int64_t rows, int classes, const float* logits, const std::uint16_t* label,
                  const std::uint16_t* flags, SampleRow* out) {
  const std::int64_t done = score_groups<true>(exec, rows, classes, logits, label, flags, out);
  for_each_team(exec, rows - done,
                ScoreLogits{classes, logits + done * classes, label + done, flags == nullptr ? nullptr : flags + done,
                            out + done});
}
void score_probabilities(const Exec& exec, std::int64_t rows, int classes, const float* probabilities,
                         const std::uint16_t* label, SampleRow* out) {
  const std::int64_t done = score_groups<false>(exec, rows, classes, probabilities, label, nullptr, out);
  for_each_team(exec, rows - done,
                ScoreProbabilities{classes, probabilities + done * classes, label + done, out + done});
}
void number_rows(const Exec& exec, std::int64_t rows, std::int64_t first, std::int64_t last, std::uint32_t* sample) {
  for_each_team(exec, 1, NumberRows{rows, first, last, sample});
}
void pick_rows(const Exec& exec, std::int64_t rows, const std::uint32_t* list, std::int64_t first, std::int64_t last,
               std::uint32_t* sample) {
  for_each_team(exec, 1, PickRows{rows, first, last, list, sample});
}
void keep_rows(const Exec& exec, std::int64_t rows, std::int64_t width, const float* from, float* to) {
  for_each_row(exec, rows, width, KeepRows{from, width, to});
}
void zero(const Exec& exec, std::uint64_t* words, std::int64_t count) {
  for_each_team(exec, 1, Zero{words, count});
}

}  // namespace assay
