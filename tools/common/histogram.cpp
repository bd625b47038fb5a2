#include "tools/common/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace softndk::tools {

std::size_t Histogram::step_of(std::uint64_t value) {
  if (value < kStepsPerOctave) return static_cast<std::size_t>(value);
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
  return (shift + 1) * kStepsPerOctave + static_cast<std::size_t>((value >> shift) - kStepsPerOctave);
}

std::uint64_t Histogram::lowest_of(std::size_t step) {
  if (step < kStepsPerOctave) return step;
  const std::size_t shift = step / kStepsPerOctave - 1;
  return static_cast<std::uint64_t>(kStepsPerOctave + step % kStepsPerOctave) << shift;
}

std::uint64_t Histogram::highest_of(std::size_t step) {
  return step + 1 == kStepCount ? UINT64_MAX : lowest_of(step + 1) - 1;
}

void Histogram::record(std::uint64_t value) {
  ++steps_[step_of(value)];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t step = 0; step < kStepCount; ++step)
    steps_[step] += other.steps_[step];
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

double Histogram::standard_deviation() const {
  if (count_ < 2) return 0;
  const double middle = mean();
  double squares = 0;
  for (std::size_t step = 0; step < kStepCount; ++step) {
    if (steps_[step] == 0) continue;
    const double distance = static_cast<double>(lowest_of(step)) - middle;
    squares += static_cast<double>(steps_[step]) * distance * distance;
  }
  return std::sqrt(squares / static_cast<double>(count_ - 1));
}

std::uint64_t Histogram::quantile(double fraction) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t step = 0; step < kStepCount; ++step) {
    seen += steps_[step];
    if (seen >= rank) return std::clamp(highest_of(step), min_, max_);
  }
  return max_;
}

}  // namespace softndk::tools
