#pragma once
// MPA startup from both sides (RFC 5044 7.1.2, RFC 6581): bytes in, frames and an outcome out. Timers are the caller's.
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "iwarp/mpa_frame.h"
#include "iwarp/read_limits.h"
#include "iwarp/terminate.h"

namespace softndk::iwarp {

enum class RtrPolicy : std::uint8_t { automatic, never };
enum class Rtr : std::uint8_t { none, send, write, read };

struct HandshakeSettings {
  RtrPolicy rtr = RtrPolicy::automatic;  ///< an initiator's: whether it asks for the peer-to-peer model
  bool crc = true;                       ///< false only on an administrator's wish: off if the peer agrees
  std::uint8_t revision = 2;             ///< initiator: what it sends; responder: the highest it knows
  ReadLimits maxima{128, 128};           ///< the adapter's
};

/// What both sides agreed on; valid once accepted.
struct HandshakeResult {
  bool crc = true;
  bool markers_to_send = false;    ///< the peer wants them in what we send
  std::optional<ReadLimits> peer;  ///< the peer's IRD and ORD as in its frame; none without enhanced data
  ReadLimits limits;               ///< in effect (R-RL-03)
  /// Read Requests to have room for: limits.ird, but at least 1, because a zero-length Read may come as RTR, by some
  /// hardware unannounced.
  std::uint32_t ird_slots = 1;
  bool rtr_agreed = false;      ///< the initiator's first message is an RTR
  Rtr rtr_to_send = Rtr::none;  ///< initiator, if agreed
};

enum class HandshakeFailure : std::uint8_t {
  none,
  bad_frame,         ///< see mpa_error()
  revision_raised,   ///< a Reply's revision is above the Request's
  not_enhanced,      ///< an enhanced Request got a plain Reply
  trailing_octets,   ///< an initiator sent on before it had the Reply
  insufficient_ird,  ///< the Reply's ORD is above what we can take: send Terminate 2/0/06, close
  no_common_rtr,     ///< send Terminate 2/0/07, close
};

/// Active side: send request(), feed what arrives.
class InitiatorHandshake {
 public:
  enum class State : std::uint8_t { waiting, accepted, rejected, failed };

  /// `private_data`: at most private_data_max(settings.revision) octets, copied.
  InitiatorHandshake(const HandshakeSettings& settings, ReadLimits wanted, Bytes private_data) noexcept;

  /// The Request's octets; `room` holds kMpaFrameBytesMax. Returns how many.
  std::size_t request(MutableBytes room) const noexcept;
  /// Takes octets until the Reply is complete or refused; returns how many. What is left belongs to the FPDU stream
  /// (a responder that sends first breaks RFC 5044 7.1.2 rule 4, but siw does it, so they are not refused here).
  std::size_t feed(Bytes in) noexcept;

  State state() const { return state_; }
  HandshakeFailure failure() const { return failure_; }
  MpaError mpa_error() const { return mpa_error_; }
  /// failed: what to tell the peer before closing; nullopt: just close (or reset) TCP. result() then says whether the
  /// Terminate carries CRC and markers.
  std::optional<TerminateCode> terminate() const;
  /// accepted (and failed with a Terminate).
  const HandshakeResult& result() const { return result_; }
  /// accepted or rejected: the peer's ULP octets.
  Bytes private_data() const { return reply_.private_data.bytes(); }

 private:
  void judge() noexcept;
  void fail(HandshakeFailure failure) noexcept;

  const HandshakeSettings settings_;
  const ReadLimits own_;  // wanted, capped
  MpaFrame request_;
  MpaFrame reply_;
  State state_ = State::waiting;
  HandshakeFailure failure_ = HandshakeFailure::none;
  MpaError mpa_error_ = MpaError::need_more;
  HandshakeResult result_;
  std::array<std::uint8_t, kMpaFrameBytesMax> buffer_;
  std::size_t have_ = 0;
};

/// Passive side: feed what arrives; once `requested`, accept() or reject().
class ResponderHandshake {
 public:
  enum class State : std::uint8_t { waiting, requested, accepted, rejected, failed };

  explicit ResponderHandshake(const HandshakeSettings& settings) noexcept : settings_(settings) {}

  /// Takes all octets. Any beyond the Request, now or before the answer, are an error: TCP is closed without a Reply.
  void feed(Bytes in) noexcept;

  State state() const { return state_; }
  HandshakeFailure failure() const { return failure_; }
  MpaError mpa_error() const { return mpa_error_; }
  /// From `requested` on.
  Bytes private_data() const { return request_.private_data.bytes(); }
  /// From `requested` on: what a query shows before accept (R-RL-03).
  ReadLimits offered_limits() const;
  std::size_t private_data_max() const;

  /// The Reply's octets; `room` holds kMpaFrameBytesMax. Returns how many.
  std::size_t accept(ReadLimits wanted, Bytes private_data, MutableBytes room) noexcept;
  std::size_t reject(Bytes private_data, MutableBytes room) noexcept;
  const HandshakeResult& result() const { return result_; }

 private:
  MpaFrame reply_frame(ReadLimits sent) const noexcept;
  std::optional<ReadLimits> peer_limits() const noexcept;

  const HandshakeSettings settings_;
  MpaFrame request_;
  State state_ = State::waiting;
  HandshakeFailure failure_ = HandshakeFailure::none;
  MpaError mpa_error_ = MpaError::need_more;
  HandshakeResult result_;
  std::array<std::uint8_t, kMpaFrameBytesMax> buffer_;
  std::size_t have_ = 0;
};

/// ULP private data that a frame of this revision (with enhanced data, if 2) can carry.
constexpr std::size_t private_data_max(std::uint8_t revision) {
  return revision >= 2 ? kMpaPrivateBytesMax - kMpaEnhancedBytes : kMpaPrivateBytesMax;
}

}  // namespace softndk::iwarp
