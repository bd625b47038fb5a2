#pragma once
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "iwarp/segment.h"
#include "iwarp/terminate.h"

namespace softndk::iwarp {

/// Where an RxStream puts payload and what it tells. Called inside RxStream's calls, so on the thread that owns the
/// receive side; must not call back into the stream.
class RxTarget {
 public:
  enum class Verdict : std::uint8_t {
    ok,
    stall,   ///< cannot take it now (a parking bound): the same call is made again by the next consume()
    reject,  ///< `why` says what the peer did; reported once the FPDU's CRC has turned out good
  };

  /// A header that is right as far as the protocol alone can tell (versions, opcode, queue, MSN, offset, continuity),
  /// before any of its payload is placed and before its CRC is known: nothing may be announced and no state may
  /// change that a later CRC error would have to take back. Memory checks belong here, in the order of RFC 5041 7.1:
  /// buffer and length; or STag, stream, rights, wrap, bounds. Not to be checked: STag and TO of a tagged segment with
  /// payload_bytes == 0.
  virtual Verdict begin_segment(const Segment& segment, TerminateCode& why) noexcept = 0;

  /// Where the payload octets [offset, offset + length) of the segment begun last go now: fills the front of `spans`
  /// (which is never empty), sets `count`; the spans may cover less than `length`, but at least one octet. Asked anew
  /// for every batch, because a region may be revoked between two. Each ok is followed by one unmap().
  virtual Verdict map(const Segment& segment, std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans,
                      std::size_t& count, TerminateCode& why) noexcept = 0;
  /// The octets mapped last have been written, or will not be: ends the pin.
  virtual void unmap(const Segment& segment) noexcept = 0;

  /// The same for payload that was read elsewhere: moves `octets` to where those from `offset` on go; `placed` says how
  /// many, all of them unless it stalls or rejects. By map() and unmap(), unless the target knows a shorter way.
  virtual Verdict place(const Segment& segment, std::uint32_t offset, Bytes octets, std::uint32_t& placed,
                        TerminateCode& why) noexcept;

  /// The segment's payload is placed and its CRC good; if segment.last its message is delivered.
  virtual Verdict end_segment(const Segment& segment, TerminateCode& why) noexcept = 0;

  /// CRC good, MSN in order. The read limit and the source buffer are the target's to check (not for length 0).
  virtual Verdict on_read_request(const ReadRequest& request, TerminateCode& why) noexcept = 0;

  /// The peer has given up; nothing follows.
  virtual void on_terminate(const ReceivedTerminate& received) noexcept = 0;

  /// The first FPDU with a good CRC, before anything it says is reported: a responder may send from now on
  /// (RFC 5044 7.1.2 rule 4). Not if it is a Terminate: then on_terminate() is all.
  virtual void on_first_fpdu() noexcept = 0;

 protected:
  ~RxTarget() = default;
};

}  // namespace softndk::iwarp
