#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/address.h"
#include "base/bytes.h"
#include "io/error.h"

namespace softndk::io {

enum class Interest : std::uint8_t { none = 0, read = 1, write = 2, both = 3 };
constexpr Interest operator|(Interest a, Interest b) {
  return Interest(unsigned(a) | unsigned(b));
}
constexpr bool contains(Interest set, Interest one) {
  return (unsigned(set) & unsigned(one)) != 0;
}

/// What happened to a read or write. `done`: bytes > 0 (0 only if nothing was asked for).
struct IoResult {
  enum class Status : std::uint8_t { done, would_block, end, failed };
  Status status = Status::done;
  std::size_t bytes = 0;
  IoError error = IoError::reset;  ///< valid if failed
};

/// Events of one stream. Called on the stream's processor thread only, one at a time, with no lock of io held.
class StreamSink {
 public:
  /// The end of connect(): the stream is usable, or has failed for `error` and wants only close().
  virtual void on_connected() noexcept = 0;
  virtual void on_connect_failed(IoError error) noexcept = 0;
  /// What was armed and is possible now (an end or an error counts as readable and writable). It is disarmed.
  virtual void on_ready(Interest ready) noexcept = 0;
  /// The last event, after close(): the stream may be destroyed inside it.
  virtual void on_closed() noexcept = 0;

 protected:
  ~StreamSink() = default;
};

/// A connected, ordered, non-blocking stream of octets. read() by one thread at a time and write() by one thread at a
/// time (their owners); the two may run at once. arm(), disarm() and close() from any thread.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Fills the spans in order, as far as octets are there. `end`: the peer's FIN, nothing more will come.
  virtual IoResult read(std::span<const IoSpan> into) noexcept = 0;
  /// Takes octets in order, as many as fit. `record_end` asks the transport to begin the next write in a new segment
  /// (the FPDU alignment of RFC 5044 5.1; MSG_EOR).
  virtual IoResult write(std::span<const ConstIoSpan> from, bool record_end) noexcept = 0;
  /// Looks without taking: done = octets wait; would_block = open and silent; end; failed.
  virtual IoResult::Status peek() noexcept = 0;

  /// Asks for one on_ready() when any of `interest` is possible, at once if it is so now. Adds to what is armed.
  virtual void arm(Interest interest) noexcept = 0;
  /// Asks for none of `interest` until the next arm(): somebody else looks when there is something to read or room to
  /// write, and is the quicker for it if nobody watches besides him.
  virtual void disarm(Interest interest) noexcept = 0;
  /// FIN after what was written. The other direction stays open.
  virtual void finish_writing() noexcept = 0;
  /// Octets the peer has not acknowledged yet: what an RST now would throw away. 0 once the peer has reset the stream.
  virtual std::size_t unacknowledged_bytes() noexcept = 0;
  /// What one segment carries at present (RFC 5044's EMSS); it may grow while the stream is used.
  virtual std::size_t segment_bytes() noexcept = 0;
  /// Both ends on this host.
  virtual bool is_same_host() const noexcept = 0;

  /// Ends the stream: in order (FIN if none was sent; input that waits is drained so that no RST replaces it), or by
  /// RST. read() and write() fail from now on; on_closed() follows, once. Calling it again is harmless.
  enum class CloseKind : std::uint8_t { orderly, abort };
  virtual void close(CloseKind kind) noexcept = 0;

  virtual const Address& local_address() const noexcept = 0;
  virtual const Address& peer_address() const noexcept = 0;
};

}  // namespace softndk::io
