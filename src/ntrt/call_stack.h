#pragma once
// Who called: the consumer's code address that an entry point saw, and, when asked for, the whole stack. A stack is
// taken as addresses only; names are looked up when it is printed. Equal stacks are kept once, for the life of the
// process, so a thousand regions made in one loop cost one.
#include <cstddef>
#include <cstdint>

namespace softndk::ntrt {

struct CallStack {
  static constexpr unsigned kFramesMax = 32;
  const CallStack* next;  ///< in its bucket
  std::uint32_t hash;
  std::uint32_t count;
  const void* frames[kFramesMax];  ///< innermost first; only `count` of them exist
};

/// How many frames capture_stack() takes at most; 0, as at first: none, and it costs a load.
void set_stack_depth(unsigned frames) noexcept;
unsigned stack_depth() noexcept;

/// The caller's stack, or null: switched off, or no memory. If `from` is among the return addresses it begins there,
/// which leaves out our own frames. Any thread, any IRQL.
const CallStack* capture_stack(const void* from) noexcept;

/// What an entry point that makes an object knows of its caller.
struct CallOrigin {
  const void* caller = nullptr;           ///< a return address in the consumer
  const void* consumer_object = nullptr;  ///< what the consumer will hold, if that is not the provider's own object
};

/// By a layer between consumer and provider: what the next entry point called on this thread is to take for its origin.
/// Lives during that call.
class AnnouncedOrigin {
 public:
  explicit AnnouncedOrigin(const CallOrigin& origin) noexcept;
  ~AnnouncedOrigin() noexcept;
  AnnouncedOrigin(const AnnouncedOrigin&) = delete;
  AnnouncedOrigin& operator=(const AnnouncedOrigin&) = delete;

 private:
  CallOrigin origin_;
};

/// First line of an entry point that makes an object, with its __builtin_return_address(0): what was announced, else
/// that address. Taken once, so that a callback inside the call does not find it.
CallOrigin take_origin(const void* caller) noexcept;

}  // namespace softndk::ntrt
