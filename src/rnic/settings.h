#pragma once
#include <cstdint>

#include "io/clock.h"

namespace softndk::rnic {

enum class RtrPolicy : std::uint8_t { automatic, never };
enum class AbandonPolicy : std::uint8_t { abort, polite };
enum class FpduPolicy : std::uint8_t { automatic, aligned, stream };  ///< automatic: stream on one host, else aligned

/// What becomes of a deferred request (R-DEF-08): it begins like any other, or not before it has to.
enum class DeferPolicy : std::uint8_t { at_once, forced };

/// Whether who polls an empty completion queue reads its queue pairs' sockets: if he does so without a pause, or from
/// his first poll on.
enum class PollReads : std::uint8_t { off, on, at_once };

/// Of port numbers, both ends included.
struct PortRange {
  std::uint16_t first = 49152;
  std::uint16_t last = 65535;
};

/// What an administrator may choose; names, defaults and meaning are in the settings table of the runtime.
struct Settings {
  RtrPolicy rtr = RtrPolicy::automatic;
  AbandonPolicy abandon = AbandonPolicy::abort;
  FpduPolicy fpdu = FpduPolicy::automatic;
  bool crc = true;
  bool verify_before_place = false;
  bool read_sinks_announced = false;  ///< a read wants memory that was registered as its sink (R-MR-09)
  bool arm_counts_old = false;        ///< an arm is satisfied by what the last notification told of, too (R-ARM-08)
  PollReads poll_reads = PollReads::on;
  io::TimeNs completion_latency_ns = 0;  ///< before it an entry of a completion queue is not seen (R-ARM-23)
  DeferPolicy defer = DeferPolicy::forced;
  io::TimeNs request_timeout_ns = 5 * io::kSecond;      ///< T1: TCP accept to MPA Request
  io::TimeNs connect_timeout_ns = 120 * io::kSecond;    ///< T2: TCP connect to MPA Reply; also how long accept may wait
  io::TimeNs rtr_timeout_ns = 120 * io::kSecond;        ///< T3: MPA Reply to RTR
  io::TimeNs disconnect_timeout_ns = 10 * io::kSecond;  ///< NdkDisconnect (R-DISC-10)
  io::TimeNs no_receive_timeout_ns = 30 * io::kSecond;  ///< a parked Send; 0: for ever (R-CNCT-20)
  io::TimeNs terminate_timeout_ns = 2 * io::kSecond;    ///< how long an end waits for its Terminate to get out
  io::TimeNs first_fpdu_delay_ns = 0;                   ///< initiator, after the Reply (for Linux siw peers)
  std::uint32_t backlog = 1024;                         ///< requests waiting for accept (R-LSN-07)
  std::uint32_t half_open_max = 1024;                   ///< TCP connections without a complete MPA Request
  PortRange ports;                                      ///< chosen from where port 0 was asked for (R-SEP-02)
  std::uint32_t parked_bytes_max = 256 * 1024;          ///< Sends without a receive, a connection
  std::uint32_t parked_messages_max = 64;
};

}  // namespace softndk::rnic
