#pragma once
// An RxTarget with a few regions and unlimited receives, which writes down what it is told and can be made to stall,
// to reject and to hand out its memory in crumbs.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "iwarp/rx_target.h"
#include "vectors.h"

namespace softndk::iwarp::test {

class MemoryTarget final : public RxTarget {
 public:
  struct Region {
    std::uint64_t base = 0;
    Octets octets;
  };
  std::map<Stag, Region> regions;
  std::vector<std::string> log;  ///< one line per thing announced, in order
  std::vector<Octets> sends;     ///< delivered
  std::vector<ReadRequest> read_requests;
  std::vector<Segment> begun;  ///< headers that were accepted
  std::optional<ReceivedTerminate> terminate;

  int stalls = 0;  ///< how many of the next verdicts are stalls
  std::optional<TerminateCode> reject_begin, reject_map, reject_end, reject_read;
  std::size_t crumb_bytes = SIZE_MAX;  ///< the longest span of a map
  std::size_t crumbs = SIZE_MAX;       ///< spans of a map
  std::size_t maps = 0;

  Verdict begin_segment(const Segment& segment, TerminateCode& why) noexcept override {
    check_unpinned();
    if (stall()) return Verdict::stall;
    if (reject_begin) return why = *reject_begin, Verdict::reject;
    if (is_tagged(segment.opcode) && segment.payload_bytes != 0) {
      const auto found = regions.find(segment.stag);
      if (found == regions.end()) return why = terminate_code::kTaggedInvalidStag, Verdict::reject;
      const Region& region = found->second;
      if (segment.to_bytes + segment.payload_bytes < segment.to_bytes) {
        return why = terminate_code::kTaggedToWrap, Verdict::reject;
      }
      if (segment.to_bytes < region.base ||
          segment.to_bytes + segment.payload_bytes > region.base + region.octets.size()) {
        return why = terminate_code::kTaggedBaseOrBounds, Verdict::reject;
      }
    }
    begun.push_back(segment);
    if (!is_tagged(segment.opcode)) message_.resize(segment.message_offset_bytes + segment.payload_bytes);
    return Verdict::ok;
  }

  Verdict map(const Segment& segment, std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans,
              std::size_t& count, TerminateCode& why) noexcept override {
    check_unpinned();
    SOFTNDK_CHECK(length != 0 && offset + length <= segment.payload_bytes);
    if (stall()) return Verdict::stall;
    if (reject_map) return why = *reject_map, Verdict::reject;
    ++maps;
    std::uint8_t* to = is_tagged(segment.opcode)
                           ? regions.at(segment.stag).octets.data() + segment.to_bytes - regions.at(segment.stag).base
                           : message_.data() + segment.message_offset_bytes;
    to += offset;
    count = 0;
    while (length != 0 && count < std::min(spans.size(), crumbs)) {
      const auto size = static_cast<std::uint32_t>(std::min<std::size_t>(length, crumb_bytes));
      spans[count++] = {to, size};
      to += size;
      length -= size;
    }
    pinned_ = true;
    return Verdict::ok;
  }

  void unmap(const Segment&) noexcept override {
    SOFTNDK_CHECK(pinned_);
    pinned_ = false;
  }

  Verdict end_segment(const Segment& segment, TerminateCode& why) noexcept override {
    check_unpinned();
    if (stall()) return Verdict::stall;
    if (reject_end) return why = *reject_end, Verdict::reject;
    if (!segment.last) return Verdict::ok;
    std::string line = name(segment.opcode) + " " + std::to_string(segment.message_offset_bytes) + "+" +
                       std::to_string(segment.payload_bytes);
    if (is_tagged(segment.opcode)) {
      line += " stag " + std::to_string(segment.stag) + " to " + std::to_string(segment.to_bytes);
    } else {
      line += " msn " + std::to_string(segment.msn) + " invalidate " + std::to_string(segment.invalidate_stag) + " " +
              to_hex(message_);
      sends.push_back(std::move(message_));
      message_ = {};
    }
    log.push_back(std::move(line));
    return Verdict::ok;
  }

  Verdict on_read_request(const ReadRequest& request, TerminateCode& why) noexcept override {
    check_unpinned();
    if (stall()) return Verdict::stall;
    if (reject_read) return why = *reject_read, Verdict::reject;
    read_requests.push_back(request);
    log.push_back("read_request msn " + std::to_string(request.msn) + " length " +
                  std::to_string(request.header.length_bytes));
    return Verdict::ok;
  }
  void on_terminate(const ReceivedTerminate& received) noexcept override {
    check_unpinned();
    terminate = received;
    log.push_back("terminate");
  }
  void on_first_fpdu() noexcept override { log.push_back("first"); }

 private:
  static std::string name(Opcode opcode) {
    static constexpr const char* kNames[] = {"write",
                                             "read_request",
                                             "read_response",
                                             "send",
                                             "send_invalidate",
                                             "send_solicited",
                                             "send_solicited_invalidate"};
    return kNames[static_cast<std::size_t>(opcode)];
  }
  bool stall() { return stalls > 0 && stalls-- > 0; }
  void check_unpinned() const { SOFTNDK_CHECK(!pinned_); }
  Octets message_;
  bool pinned_ = false;
};

}  // namespace softndk::iwarp::test
