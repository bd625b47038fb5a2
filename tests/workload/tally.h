#pragma once
// What a run did: that nothing failed means little where nothing happened.
#include <array>
#include <cstddef>
#include <cstdint>

namespace softndk::workload {

/// What each has to occur for its checks to mean something; counted when it has succeeded.
enum class Arm : std::uint8_t {
  mapping,           ///< a logical address mapping, built
  logical_source,    ///< a request of privileged token and logical addresses
  logical_sink,      ///< a Read, or a message that was received, into such
  fast_register,     ///< for the peer
  register_again,    ///< of a region that had been registered before
  fast_source,       ///< a Send or Write out of a fast region of our own
  fast_sink,         ///< a Read into one
  invalidate,        ///< by our own request
  read_invalidate,   ///< by the Read that filled it
  bind,              ///< of a window
  bind_again,        ///< of one that had been bound before
  remote_region,     ///< a fast region that the peer's Send took away
  remote_window,     ///< a window that it took away
  lease_transfer,    ///< a Read or Write of the peer's memory through a lease
  srq_receive,       ///< a message into a receive of a shared queue
  srq_notification,  ///< of a shared queue that ran low
  srq_modify,        ///< of its depth
  solicited_arm,
  solicited_event,     ///< a notification that such an arm led to
  unsolicited_message  ///< received while only solicited ones were to be told
};
inline constexpr std::size_t kArms = static_cast<std::size_t>(Arm::unsolicited_message) + 1;
const char* name_of(Arm arm);

struct Tally {
  std::uint64_t steps = 0;
  std::uint64_t connections = 0;     ///< sides that were established
  std::uint64_t requests = 0;        ///< posts that completed with success, or silently before one that did
  std::uint64_t cancelled = 0;       ///< posts that completed otherwise
  std::uint64_t closes_pending = 0;  ///< closes that had to wait for something, or were told later
  std::array<std::uint64_t, kArms> arms{};
  std::uint64_t& operator[](Arm arm) { return arms[static_cast<std::size_t>(arm)]; }
  std::uint64_t operator[](Arm arm) const { return arms[static_cast<std::size_t>(arm)]; }
  Tally& operator+=(const Tally& other);
};

}  // namespace softndk::workload
