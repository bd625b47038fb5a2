#pragma once
// Turns received octets into placed payload and events, without I/O: RFC 5044 6, RFC 5041 5 and 7, RFC 5040 7.
#include <array>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "iwarp/crc32c.h"
#include "iwarp/fpdu.h"
#include "iwarp/rx_target.h"

namespace softndk::iwarp {

struct RxSettings {
  bool crc = true;  ///< as negotiated
  /// Room for a whole segment's payload (kUlpduBytesMax octets): payload is placed only after its CRC was checked.
  /// Empty: placed as it arrives. The caller keeps it alive as long as the stream.
  MutableBytes verify_before_place;
  /// With at least this much of a segment's payload missing, next_buffers() offers its target memory to the kernel.
  std::uint32_t direct_bytes_min = 4096;
  /// The MSN of the first message on queue 0 and on queue 1. Other than 1 only to see them wrap in a test.
  std::uint32_t first_send_msn = 1;
  std::uint32_t first_read_request_msn = 1;
};

struct RxResult {
  enum class Status : std::uint8_t {
    more,        ///< everything was taken
    stalled,     ///< the target cannot go on: keep `unconsumed`, hand it to consume() first when it can
    failed,      ///< the peer broke a rule: send `failure`, drop whatever else arrives
    terminated,  ///< the peer's Terminate was reported
  };
  Status status = Status::more;
  Bytes unconsumed;   ///< stalled: a view of what the caller handed in
  Terminate failure;  ///< failed
};

/// The receive direction of one connection in full operation. Every call by the owner of that direction; no allocation.
/// What it holds between calls is one header (at most 72 octets) or one trailer (at most 7).
///
///   count = stream.next_buffers(staging, spans);
///   n = read(spans.first(count));
///   result = stream.advance(n);
///
/// Early placement follows the header's checks (RFC 5041 7.1), announcement the CRC; a bad CRC wins over whatever its
/// header did wrong. Markers are never asked for, so none come.
class RxStream {
 public:
  static constexpr std::size_t kMapSpansMax = 16;

  RxStream(RxTarget& target, const RxSettings& settings) noexcept;
  RxStream(const RxStream&) = delete;
  RxStream& operator=(const RxStream&) = delete;

  /// Where the next octets belong, in stream order: target memory where a large payload is on its way, then `staging`.
  /// Fills the front of `spans` (at least 2) and returns how many; advance() must follow, also with 0 octets.
  /// 0: the target stalls (ask again after consume({}) no longer says `stalled`), or nothing is wanted any more; then
  /// no advance().
  [[nodiscard]] std::size_t next_buffers(MutableBytes staging, std::span<IoSpan> spans) noexcept;
  /// The first `received_bytes` of those buffers are filled.
  RxResult advance(std::size_t received_bytes) noexcept;

  /// Takes octets from anywhere: those that came with the MPA frame, or those kept when stalled (also none of them:
  /// just asks the target again). Not between next_buffers() and advance().
  RxResult consume(Bytes octets) noexcept;

  /// The peer's FIN. `lost`: inside an FPDU or a message, which is then never delivered (RFC 5044 8, code 1).
  enum class End : std::uint8_t { graceful, lost };
  [[nodiscard]] End on_end() const noexcept;

  /// FPDUs whose end was reached, good or not.
  std::uint64_t fpdus() const noexcept { return fpdus_; }
  /// Of the payload of the segment that begin_segment() was last told of: octets that are not in their place yet.
  std::uint32_t unplaced_bytes() const noexcept;

 private:
  enum class Phase : std::uint8_t { header, begin, payload, trailer, place, deliver, failed, terminated };
  enum class Step : std::uint8_t { proceed, starved, stalled, stopped };

  Step take_header(Bytes& in) noexcept;
  std::uint32_t header_need() const noexcept;
  void judge_header() noexcept;
  void judge_tagged() noexcept;
  void judge_untagged() noexcept;
  void judge_terminate() noexcept;
  Step begin() noexcept;
  Step obey(RxTarget::Verdict verdict, TerminateCode why) noexcept;
  Step take_payload(Bytes& in) noexcept;
  Step place_octets(Bytes from, std::uint32_t offset, std::uint32_t& placed) noexcept;
  Step take_trailer(Bytes& in) noexcept;
  Step judge_crc(std::uint32_t field) noexcept;
  Step place_verified() noexcept;
  Step deliver() noexcept;
  void finish_fpdu() noexcept;
  void condemn(TerminateCode code) noexcept;
  Step fail(TerminateCode code) noexcept;
  void hash_until(const std::uint8_t* end) noexcept;
  RxResult result(Step step, Bytes rest) const noexcept;
  bool is_discarding() const noexcept { return condemned_ || kind_ == Kind::terminate; }
  /// The ULPDU as far as it is kept, from its first octet.
  Bytes header() const noexcept { return Bytes(header_).first(header_have_).subspan(kFpduLengthBytes); }

  // The message that an L bit has not ended yet.
  struct OpenMessage {
    bool is_open = false;
    Opcode opcode = Opcode::send;
    Stag stag = 0;
    std::uint64_t next_to_bytes = 0;
    std::uint32_t bytes = 0;
  };
  enum class Kind : std::uint8_t { segment, read_request, terminate };

  RxTarget& target_;
  const RxSettings settings_;
  Phase phase_ = Phase::header;
  std::uint64_t fpdus_ = 0;
  std::uint32_t send_msn_;
  std::uint32_t read_request_msn_;
  OpenMessage open_;

  // The FPDU at hand.
  Kind kind_ = Kind::segment;
  bool condemned_ = false;  // its header broke a rule: `verdict_` is reported if the CRC is good
  TerminateCode verdict_;
  std::uint32_t ulpdu_bytes_ = 0;
  std::uint32_t payload_bytes_ = 0;  // of the ULPDU beyond what header_ holds
  std::uint32_t payload_have_ = 0;
  std::uint32_t placed_ = 0;  // verify_before_place: octets moved to their place
  Segment segment_;
  ReadRequest read_request_;
  ReceivedTerminate terminate_;
  Crc32c crc_;
  const std::uint8_t* crc_from_ = nullptr;  // first octet of the current input that crc_ has not seen
  bool bulk_ = false;                       // the message at hand, or the last one, is a large one
  std::uint8_t header_have_ = 0;
  std::uint8_t trailer_have_ = 0;
  std::array<std::uint8_t, 7> trailer_{};
  std::array<std::uint8_t, kFpduLengthBytes + UntaggedDdpHeader::kWireBytes + Terminate::kWireBytesMax> header_{};

  // Between next_buffers() and advance(), and while octets are copied.
  std::array<IoSpan, kMapSpansMax> mapped_{};
  std::size_t mapped_count_ = 0;
  MutableBytes staging_;
  bool is_mapped_ = false;
  Terminate failure_;
};

}  // namespace softndk::iwarp
