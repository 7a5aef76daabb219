#pragma once
#include "assay/core/math.hpp"
#include "assay/core/team.hpp"
#include "core/lanes.hpp"

// The nearest point of a hyperplane {x : <w, x> = b} in the box [0, 1]: Croce & Hein 2020, arXiv:1907.02044,
// section 3.1 and appendix A. With c = <w, t> - b every coordinate of t goes against sign(c) w(i), by at most the
// room(i) that the box leaves it there, and sum |w(i)| |shift(i)| = |c|. Published solvers sort the coordinates by
// where they meet the bound. One number says it all, so here that number is sought, by sums over rows alone. Sums are
// in double: what is left for the last coordinates is a difference of two of them.
namespace assay {

ASSAY_HD float magnitude(float v) {
  return bits_to_float(float_to_bits(v) & 0x7FFFFFFFu);
}

/// What one coordinate may do. What is selected by a comparison of floats are floats: g++ vectorises nothing else well.
struct BoxSide {
  float against;  ///< 1: coordinates with w > 0 go down; -1: they go up

  ASSAY_HD explicit BoxSide(double c) : against(c > 0 ? 1.f : -1.f) {}
  ASSAY_HD float room(float t, float w) const { return against * w > 0.f ? t : 1.f - t; }
  ASSAY_HD float step(float length, float w) const {
    const float towards = against * w;
    return towards > 0.f ? -length : (towards < 0.f ? length : 0.f);
  }
};
ASSAY_HD double product(float a, float b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

/// The largest f(in[i]...), none of them negative. Their bits are compared: g++ vectorises no maximum of floats.
template <class Team, class F, class... In>
ASSAY_HD double largest(Team& team, std::int64_t n, const F& f, const In*... in) {
  const std::int64_t bits = team.max_of(
      n, std::int64_t{0}, [=](In... x) { return static_cast<std::int64_t>(double_to_bits(f(x...))); }, in...);
  return bits_to_double(static_cast<std::uint64_t>(bits));
}

/// In L-infinity and L2. Coordinate i goes min(reach pull(i), room(i)), pull = 1 or |w(i)|.
template <Norm norm>
class BoxProjection {
 public:
  double size = 0;  ///< the shift's norm

  /// sum |w| pull: of all hyperplanes with this normal.
  template <class Team>
  ASSAY_HD static double whole(Team& team, std::int64_t n, const float* w) {
    return team.sum_of(
        n, [](float v) { return norm == Norm::linf ? static_cast<double>(magnitude(v)) : product(v, v); }, w);
  }

  /// Of the point t in the box, for finite w and <w, t> - b = c. Where the box holds no point of the hyperplane all
  /// coordinates go to their bound.
  template <class Team>
  ASSAY_HD BoxProjection(Team& team, std::int64_t n, const float* t, const float* w, double c, double whole)
      : side_(c) {
    const double gap = c < 0 ? -c : c;
    if (!(whole > 0) || !(gap > 0)) return;
    // f(reach) = sum |w| min(reach pull, room) is concave and piecewise linear: from the left Newton's method never
    // passes the root, and is on it once it has come to the root's own piece. Each step divides (gap - f) f' by at
    // least four, so that double's range bounds their number; images take one to four.
    reach_ = gap / whole < kEverywhere ? gap / whole : kEverywhere;
    for (double before = whole;;) {
      const BoxProjection at = *this;
      const double free = team.sum_of(n, [=](float x, float v) { return at.free_gain(x, v); }, t, w);
      if (!(free < before)) break;
      before = free;
      const double bound = team.sum_of(n, [=](float x, float v) { return at.bound_gain(x, v); }, t, w);
      const double next = free > 0 ? (gap - bound) / free : kEverywhere;
      if (!(next > reach_)) break;
      reach_ = next;
    }
    const BoxProjection own = *this;
    if constexpr (norm == Norm::l2)
      size = sqrt(team.sum_of(n, [=](float x, float v) { return own.squared(x, v); }, t, w));
    else
      size =
          reach_ < kEverywhere ? reach_ : largest(team, n, [=](float x, float v) { return own.farthest(x, v); }, t, w);
  }

  /// What is added to a coordinate.
  ASSAY_HD float shift(float t, float w) const {
    const float room = side_.room(t, w);
    const double free = norm == Norm::linf ? reach_ : reach_ * static_cast<double>(magnitude(w));
    return side_.step(free < static_cast<double>(room) ? static_cast<float>(free) : room, w);
  }

 private:
  /// No coordinate's room is further than that.
  static constexpr double kEverywhere = norm == Norm::linf ? 2.0 : 1e300;

  /// What one coordinate adds to f' while its room lets it, and to f where it does not.
  ASSAY_HD double free_gain(float t, float w) const {
    const float room = side_.room(t, w), size_of_w = magnitude(w);
    if constexpr (norm == Norm::linf) return static_cast<double>(static_cast<float>(reach_) < room ? size_of_w : 0.f);
    const double slope = static_cast<double>(size_of_w);
    return reach_ * slope < static_cast<double>(room) ? slope * slope : 0.0;
  }
  ASSAY_HD double bound_gain(float t, float w) const {
    const float room = side_.room(t, w), size_of_w = magnitude(w);
    if constexpr (norm == Norm::linf) return product(static_cast<float>(reach_) < room ? 0.f : size_of_w, room);
    const double slope = static_cast<double>(size_of_w);
    return reach_ * slope < static_cast<double>(room) ? 0.0 : slope * static_cast<double>(room);
  }
  ASSAY_HD double squared(float t, float w) const {
    const double free = reach_ * static_cast<double>(magnitude(w)), room = static_cast<double>(side_.room(t, w));
    const double length = free < room ? free : room;
    return w != 0.f ? length * length : 0.0;
  }
  ASSAY_HD double farthest(float t, float w) const {
    const float room = side_.room(t, w);
    return static_cast<double>(w != 0.f ? room : 0.f);
  }

  BoxSide side_;
  double reach_ = 0;
};

/// In L1. Coordinates go all their way in order of falling |w|, until the hyperplane is reached; those of the |w| at
/// which it is all go the same part of theirs.
template <>
class BoxProjection<Norm::l1> {
 public:
  double size = 0;

  template <class Team>
  ASSAY_HD static double whole(Team&, std::int64_t, const float*) {
    return 0;
  }
  template <class Team>
  ASSAY_HD BoxProjection(Team& team, std::int64_t n, const float* t, const float* w, double c, double /*whole*/)
      : side_(c), above_(kInfinite), full_(kInfinite) {
    const double gap = c < 0 ? -c : c;
    if (!(gap > 0)) return;
    // Of coordinates with |w| > above_, and with |w| > full_: what they add to |c|, and how far they go.
    above_ = 0;
    double low_gain = gain(team, n, t, w, 0), low_length = length(team, n, t, w, 0), high_gain = 0, high_length = 0;
    if (!(low_gain > gap)) {
      full_ = 0;
      size = low_length;
      return;
    }
    // Steps to the mean |w| of what is in between, by length, end after about log n; halving the bits bounds the worst
    // case. Where the top is still open, as much higher as exponentially distributed |w| have it.
    for (int k = 1; full_ - above_ > 1; ++k) {
      auto aim = static_cast<float>((low_gain - high_gain) / (low_length - high_length));
      if (full_ == kInfinite) aim += (aim - bits_to_float(above_)) * static_cast<float>(log_positive(low_gain / gap));
      std::uint32_t pivot = k % 4 == 0 ? above_ + (full_ - above_) / 2 : float_to_bits(aim);
      pivot = pivot > above_ ? pivot : above_ + 1;
      pivot = pivot < full_ ? pivot : full_ - 1;
      const double pivot_gain = gain(team, n, t, w, pivot);
      const double pivot_length = pivot_gain == low_gain    ? low_length
                                  : pivot_gain == high_gain ? high_length
                                                            : length(team, n, t, w, pivot);
      if (pivot_gain < gap) {
        full_ = pivot;
        high_gain = pivot_gain;
        high_length = pivot_length;
      } else {
        above_ = pivot;
        low_gain = pivot_gain;
        low_length = pivot_length;
      }
    }
    const double part = (gap - high_gain) / (low_gain - high_gain);
    part_ = static_cast<float>(part);
    size = high_length + part * (low_length - high_length);
  }

  ASSAY_HD float shift(float t, float w) const {
    const float room = side_.room(t, w), size_of_w = magnitude(w);
    return side_.step(
        size_of_w > bits_to_float(full_) ? room : (size_of_w > bits_to_float(above_) ? part_ * room : 0.f), w);
  }

 private:
  static constexpr std::uint32_t kInfinite = 0x7F800000u;

  template <class Team>
  ASSAY_HD double gain(Team& team, std::int64_t n, const float* t, const float* w, std::uint32_t above) const {
    const BoxSide side = side_;
    const float least = bits_to_float(above);
    return team.sum_of(
        n,
        [=](float x, float v) {
          const float size_of_w = magnitude(v);
          return product(size_of_w > least ? size_of_w : 0.f, side.room(x, v));
        },
        t, w);
  }
  template <class Team>
  ASSAY_HD double length(Team& team, std::int64_t n, const float* t, const float* w, std::uint32_t above) const {
    const BoxSide side = side_;
    const float least = bits_to_float(above);
    return team.sum_of(
        n, [=](float x, float v) { return static_cast<double>(magnitude(v) > least ? side.room(x, v) : 0.f); }, t, w);
  }

  BoxSide side_;
  std::uint32_t above_, full_;  // the bits of two |w|: positive floats are in the order of their bits
  float part_ = 0;
};

}  // namespace assay
