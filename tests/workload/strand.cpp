#include "workload/strand.h"

namespace softndk::workload {

void Strand::run() {
  std::uint32_t seen = signals_.load();
  do {
    step();
  } while (!signals_.compare_exchange_strong(seen, 0));
}

void Strand::kick_strand() {
  if (style_ == Style::thread) return event_.set();
  if (signals_.fetch_add(1) != 0) return;
  if (style_ == Style::inside) return run();
  KeInsertQueueDpc(&dpc_, nullptr, nullptr);
}

void Strand::start_thread() {
  if (style_ != Style::thread) return;
  thread_ = std::make_unique<stack::DriverThread>([this] {
    while (!stopping_.load()) {
      if (!event_.wait(-365ll * 24 * 3600 * 10'000'000)) continue;
      event_.clear();
      step();
    }
  });
}

void Strand::stop_thread() {
  if (thread_ == nullptr) return;
  stopping_ = true;
  event_.set();
  thread_.reset();
}

}  // namespace softndk::workload
