#include "verifier/shadow.h"

namespace softndk::verifier {
namespace {
constinit std::atomic<std::size_t> g_live{0};
}  // namespace

std::size_t live_shadows() noexcept {
  return g_live.load(std::memory_order_relaxed);
}

Shadow::Shadow(Destroy destroy, Shadow* parent) noexcept : destroy_(destroy), parent_(parent) {
  g_live.fetch_add(1, std::memory_order_relaxed);
  if (parent != nullptr) parent->references_.fetch_add(1, std::memory_order_relaxed);
}

Shadow::~Shadow() {
  g_live.fetch_sub(1, std::memory_order_relaxed);
}

void Shadow::release() noexcept {
  // Release: what this holder did to the shadow comes before its end. Acquire, paired with every other holder's
  // release: so did what they did.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Shadow* parent = parent_;
  destroy_(*this);
  if (parent != nullptr) parent->release();  // three levels at most
}

}  // namespace softndk::verifier
