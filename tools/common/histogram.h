#pragma once
// A log-linear histogram of durations: each power of two is cut into kStepsPerOctave equal steps, so that a value is
// kept to within 1/64 of itself over the whole range of 64 bits, in a fixed 30 KiB and without sorting.
#include <array>
#include <cstddef>
#include <cstdint>

namespace softndk::tools {

class Histogram {
 public:
  static constexpr unsigned kStepBits = 6;
  static constexpr std::size_t kStepsPerOctave = std::size_t{1} << kStepBits;

  void record(std::uint64_t value);
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }
  std::uint64_t min() const { return count_ == 0 ? 0 : min_; }  ///< exact
  std::uint64_t max() const { return max_; }                    ///< exact
  double mean() const;                                          ///< exact but for rounding
  double standard_deviation() const;                            ///< from the steps' lower ends
  /// The value below or at which `fraction` (0..1) of the values lie: the largest that its step stands for, and never
  /// above max(). 0 when nothing was recorded.
  std::uint64_t quantile(double fraction) const;
  /// Calls `visit(highest, count)` for each step that has something, in rising order.
  template <class Visit>
  void for_each_step(Visit visit) const {
    for (std::size_t step = 0; step < kStepCount; ++step)
      if (steps_[step] > 0) visit(highest_of(step), steps_[step]);
  }

 private:
  // Values below kStepsPerOctave have a step of their own; each octave above has kStepsPerOctave steps.
  static constexpr std::size_t kStepCount = (64 - kStepBits + 1) * kStepsPerOctave;

  static std::size_t step_of(std::uint64_t value);
  static std::uint64_t lowest_of(std::size_t step);
  static std::uint64_t highest_of(std::size_t step);

  std::array<std::uint64_t, kStepCount> steps_{};
  std::uint64_t count_ = 0;
  std::uint64_t min_ = UINT64_MAX;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace softndk::tools
