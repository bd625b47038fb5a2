// include/softndk/softndk.h: what passes between a driver and the program that hosts it.
#include <atomic>

#include "ntrt/kernel.h"
#include "ntrt/rtl_print.h"
#include "softndk/softndk.h"

namespace {
std::atomic<void (*)(void*, int32_t)> g_told{nullptr};
std::atomic<void*> g_told_context{nullptr};
}  // namespace

extern "C" {

void softndk_driver_done(int32_t status) {
  // Acquire: the context that belongs to it; partner: the release below.
  if (auto told = g_told.load(std::memory_order_acquire)) told(g_told_context.load(std::memory_order_relaxed), status);
}

void softndk_on_driver_done(void (*told)(void* context, int32_t status), void* context) {
  g_told_context.store(context, std::memory_order_relaxed);
  g_told.store(told, std::memory_order_release);
}

void softndk_on_debug_print(void (*print)(void* context, const char* text, size_t length), void* context) {
  softndk::ntrt::set_debug_print_sink(print, context);
}

int softndk_is_idle(void) {
  softndk::ntrt::Kernel* running = softndk::ntrt::kernel_if_running();
  return running == nullptr || running->is_idle();
}

}  // extern "C"
