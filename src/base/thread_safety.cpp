#include "base/thread_safety.h"

#include "base/interleave.h"

namespace softndk {

void Mutex::lock_contended() noexcept {
  // Under simulation the holder is a fiber of this very thread: to wait in the mutex would be to wait for ever.
  while (detail::interleave(true))
    if (mutex_.try_lock()) return;
  mutex_.lock();
}

}  // namespace softndk
