#include "sim/trace.h"

#include <cinttypes>

namespace softndk::sim {

const char* to_string(TraceKind kind) noexcept {
  switch (kind) {
    case TraceKind::run:
      return "run";
    case TraceKind::spawn:
      return "spawn";
    case TraceKind::end:
      return "end";
    case TraceKind::jump:
      return "jump";
    case TraceKind::stall:
      return "stall";
    case TraceKind::task:
      return "task";
    case TraceKind::timer:
      return "timer";
    case TraceKind::event:
      return "event";
    case TraceKind::call_fails:
      return "call fails";
    case TraceKind::connect:
      return "connect";
    case TraceKind::refused:
      return "refused";
    case TraceKind::accepted:
      return "accepted";
    case TraceKind::write:
      return "write";
    case TraceKind::read:
      return "read";
    case TraceKind::deliver:
      return "deliver";
    case TraceKind::ack:
      return "ack";
    case TraceKind::fin:
      return "fin";
    case TraceKind::reset:
      return "reset";
    case TraceKind::silence:
      return "silence";
    case TraceKind::close:
      return "close";
    case TraceKind::released:
      return "released";
  }
  return "?";
}

void Trace::add(io::TimeNs at_ns, TraceKind kind, std::uint32_t who, std::uint64_t what, std::uint32_t more) {
  const auto fold = [this](std::uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 29;
  };
  fold(at_ns);
  fold(what);
  fold(std::uint64_t{who} << 32 | more);
  fold(static_cast<std::uint64_t>(kind));
  if (records_.size() < records_max_)
    records_.push_back({at_ns, what, who, more, kind});
  else
    ++dropped_;
}

void Trace::print(std::FILE* to) const {
  for (const auto& record : records_)
    std::fprintf(to, "%14" PRIu64 " %-10s %6u %10" PRIu64 " %u\n", record.at_ns, to_string(record.kind), record.who,
                 record.what, record.more);
  if (dropped_ != 0) std::fprintf(to, "and %" PRIu64 " records that were not kept\n", dropped_);
}

}  // namespace softndk::sim
