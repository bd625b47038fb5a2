// tcp_framed: how many framed messages a second one TCP connection can carry when nothing else is done. The frames are
// those of iWARP (a length, a tagged DDP header, payload, a CRC field), many of them go out by one call, and they come
// in by calls as large as the staging buffer. There are no queues, tokens or completions: what NDK is held against.
#include <isa-l/crc.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "programs/control.h"
#include "programs/measure.h"

using namespace softndk::bench;

namespace {

struct FramedPlan {
  std::size_t size_bytes = 64;
  double duration_s = 0.3;
  std::uint32_t gather_frames = 64;
  bool crc = false;
  std::string small =
      "gather";  ///< payload to 1 KiB: gather: an element of the list of its own; copy: behind its header
  std::string receive = "staged";  ///< staged: all through one buffer; direct: the rest of a payload into its place
  std::string wait = "spin";
  std::size_t offset_bytes = 0;
  std::string congestion = "cubic";

  Wait waiting() const { return wait == "spin" ? Wait::spin : Wait::block; }
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FramedPlan, size_bytes, duration_s, gather_frames, crc, small, receive, wait,
                                   offset_bytes, congestion)

constexpr std::size_t kHeaderBytes = 16;  // the MPA length and a tagged DDP header
constexpr std::size_t kTrailerBytes = 4;
constexpr std::size_t kFrameBytesMax = std::size_t{32} * 1024;  // of payload: longer messages are cut, as FPDUs are
constexpr std::size_t kStagingBytes = std::size_t{256} * 1024;
constexpr std::size_t kCopyBytesMax = 1024;  // what counts as small

std::uint32_t crc_of(std::span<const std::byte> bytes, std::uint32_t crc) {
  // The library's signature lacks the const; it only reads.
  auto* const first = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
  return crc32_iscsi(first, static_cast<int>(bytes.size()), crc);
}

void put_header(std::byte* at, std::size_t payload_bytes, std::uint32_t number) {
  std::array<std::uint32_t, 4> header = {static_cast<std::uint32_t>(payload_bytes), number, 0, 0};
  std::memcpy(at, header.data(), kHeaderBytes);
}

std::size_t payload_bytes_of(const std::byte* header) {
  std::uint32_t bytes;
  std::memcpy(&bytes, header, sizeof(bytes));
  return bytes;
}

class FrameSender {
 public:
  FrameSender(const FramedPlan& plan, const Socket& socket)
      : plan_(plan),
        socket_(socket),
        payload_(plan.size_bytes, plan.offset_bytes),
        arena_((std::min(plan.size_bytes, kCopyBytesMax) + kHeaderBytes + kTrailerBytes) * (plan.gather_frames + 1)) {
    vectors_.reserve(3 * (plan.gather_frames + 1));
  }

  void message() {
    for (std::size_t at = 0; at < plan_.size_bytes; at += kFrameBytesMax) {
      frame(payload_.bytes().subspan(at, std::min(kFrameBytesMax, plan_.size_bytes - at)));
      if (frames_ == plan_.gather_frames) flush();
    }
  }

  void flush() {
    if (vectors_.empty()) return;
    msghdr message{};
    message.msg_iov = vectors_.data();
    message.msg_iovlen = vectors_.size();
    Spin spin;
    while (message.msg_iovlen > 0) {
      const int flags = MSG_NOSIGNAL | (plan_.waiting() == Wait::spin ? MSG_DONTWAIT : 0);
      const ssize_t sent = sendmsg(socket_.fd(), &message, flags);
      if (sent < 0 && errno == EAGAIN) {
        spin.again();
        continue;
      }
      advance(message, static_cast<std::size_t>(check(sent, "sendmsg")));
    }
    vectors_.clear();
    used_ = 0;
    frames_ = 0;
  }

 private:
  void frame(std::span<const std::byte> payload) {
    std::byte* const header = arena_.data() + used_;
    put_header(header, payload.size(), number_++);
    const bool copies = plan_.small == "copy" && payload.size() <= kCopyBytesMax;
    if (copies) std::memcpy(header + kHeaderBytes, payload.data(), payload.size());
    std::byte* const trailer = header + kHeaderBytes + (copies ? payload.size() : 0);
    std::uint32_t crc = 0;
    if (plan_.crc) crc = crc_of(payload, crc_of({header, kHeaderBytes}, ~0u));
    std::memcpy(trailer, &crc, kTrailerBytes);
    if (copies) {
      append({header, kHeaderBytes + payload.size() + kTrailerBytes});
    } else {
      append({header, kHeaderBytes});
      append(payload);
      append({trailer, kTrailerBytes});
    }
    used_ += static_cast<std::size_t>(trailer + kTrailerBytes - header);
    ++frames_;
  }

  void append(std::span<const std::byte> part) {
    if (!vectors_.empty()) {
      iovec& last = vectors_.back();
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == part.data()) {
        last.iov_len += part.size();
        return;
      }
    }
    vectors_.push_back({const_cast<std::byte*>(part.data()), part.size()});
  }

  static void advance(msghdr& message, std::size_t sent) {
    while (message.msg_iovlen > 0 && sent >= message.msg_iov->iov_len) {
      sent -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen == 0) return;
    message.msg_iov->iov_base = static_cast<std::byte*>(message.msg_iov->iov_base) + sent;
    message.msg_iov->iov_len -= sent;
  }

  const FramedPlan& plan_;
  const Socket& socket_;
  LoadBuffer payload_;
  std::vector<std::byte> arena_;
  std::size_t used_ = 0;
  std::vector<iovec> vectors_;
  std::uint32_t frames_ = 0;
  std::uint32_t number_ = 0;
};

/// Takes frames off the stream and puts their payload where it belongs.
class FrameReceiver {
 public:
  FrameReceiver(const FramedPlan& plan, const Socket& socket)
      : plan_(plan), socket_(socket), staging_(kStagingBytes, 0), place_(plan.size_bytes, plan.offset_bytes) {}

  std::uint64_t run() {
    while (receive())
      while (take_frame()) {
      }
    errno = 0;
    if (first_ != end_) die("the stream ended inside a frame");
    return payload_total_;
  }

 private:
  /// More octets into the staging buffer. False: the end of the stream.
  bool receive() {
    std::memmove(staging_.bytes().data(), staging_.bytes().data() + first_, end_ - first_);
    end_ -= first_;
    first_ = 0;
    const std::size_t received = receive_some(socket_, staging_.bytes().subspan(end_), plan_.waiting());
    end_ += received;
    return received > 0;
  }

  bool take_frame() {
    const auto there = staging_.bytes().subspan(first_, end_ - first_);
    if (there.size() < kHeaderBytes) return false;
    const std::size_t payload_bytes = payload_bytes_of(there.data());
    const std::size_t frame_bytes = kHeaderBytes + payload_bytes + kTrailerBytes;
    const auto place = place_.bytes().subspan(placed_, payload_bytes);
    std::uint32_t crc = 0;
    if (there.size() >= frame_bytes) {
      std::memcpy(place.data(), there.data() + kHeaderBytes, payload_bytes);
      if (plan_.crc) crc = crc_of(there.first(kHeaderBytes + payload_bytes), ~0u);
      check_crc(there.data() + kHeaderBytes + payload_bytes, crc);
      first_ += frame_bytes;
    } else if (plan_.receive == "direct" && payload_bytes > kCopyBytesMax) {
      place_directly(there, place);
    } else {
      return false;
    }
    payload_total_ += payload_bytes;
    placed_ = placed_ + payload_bytes == plan_.size_bytes ? 0 : placed_ + payload_bytes;
    return true;
  }

  /// What is here of the payload is copied; the kernel puts the rest into its place, and what follows into staging.
  void place_directly(std::span<const std::byte> there, std::span<std::byte> place) {
    std::array<std::byte, kHeaderBytes> header;
    std::memcpy(header.data(), there.data(), kHeaderBytes);
    const std::size_t here = std::min(there.size() - kHeaderBytes, place.size());
    std::memcpy(place.data(), there.data() + kHeaderBytes, here);
    const std::size_t of_trailer = there.size() - kHeaderBytes - here;
    std::memmove(staging_.bytes().data(), there.data() + kHeaderBytes + here, of_trailer);
    first_ = 0;
    end_ = of_trailer;
    std::size_t done = here;
    Spin spin;
    while (done < place.size() || end_ < kTrailerBytes) {
      const auto rest = staging_.bytes().subspan(end_);
      iovec vectors[] = {{place.data() + done, place.size() - done}, {rest.data(), rest.size()}};
      msghdr message{};
      message.msg_iov = vectors;
      message.msg_iovlen = 2;
      const ssize_t received = recvmsg(socket_.fd(), &message, plan_.waiting() == Wait::spin ? MSG_DONTWAIT : 0);
      if (received < 0 && errno == EAGAIN) {
        spin.again();
        continue;
      }
      if (check(received, "recvmsg") == 0) die("the stream ended inside a frame");
      const std::size_t placed = std::min(static_cast<std::size_t>(received), place.size() - done);
      done += placed;
      end_ += static_cast<std::size_t>(received) - placed;
    }
    if (plan_.crc) check_crc(staging_.bytes().data(), crc_of(place, crc_of(header, ~0u)));
    first_ = kTrailerBytes;
  }

  void check_crc(const std::byte* trailer, std::uint32_t crc) const {
    std::uint32_t said;
    std::memcpy(&said, trailer, sizeof(said));
    errno = 0;
    if (said != crc) die("a frame's CRC is wrong");
  }

  const FramedPlan& plan_;
  const Socket& socket_;
  LoadBuffer staging_;
  LoadBuffer place_;
  std::size_t first_ = 0;  // of what is staged and not yet taken
  std::size_t end_ = 0;
  std::size_t placed_ = 0;  // of the message that is coming in
  std::uint64_t payload_total_ = 0;
};

void serve(const std::string& address, std::uint16_t port) {
  Control control(accept_from(listen_on(address, port, ""), Wait::block));
  while (const auto asked = control.hear()) {
    const auto plan = asked->get<FramedPlan>();
    const Socket listener = listen_on(address, 0, plan.congestion);
    control.say({{"port", port_of(listener)}});
    const Socket socket = accept_from(listener, Wait::block);
    FrameReceiver receiver(plan, socket);
    control.say({{"accepted", 1}});
    const Usage usage;
    const std::uint64_t bytes = receiver.run();
    control.say({{"bytes", bytes}, {"cpu_s", usage.cpu_s()}});
  }
}

nlohmann::json measure(const FramedPlan& plan, const std::string& address, std::uint16_t port) {
  Control control(connect_patiently(address, port, ""));
  control.say(plan);
  const Socket socket = connect_to(address, control.answer().at("port").get<std::uint16_t>(), plan.congestion);
  FrameSender sender(plan, socket);
  control.answer();
  const Usage usage;
  const Budget budget(plan.duration_s, 0);
  std::uint64_t messages = 0;
  // The clock is read once for each batch, as the batch is what the program does.
  while (budget.allows(messages)) {
    for (std::uint32_t i = 0; i < plan.gather_frames; ++i)
      sender.message();
    sender.flush();
    messages += plan.gather_frames;
  }
  check(shutdown(socket.fd(), SHUT_WR), "shutdown");
  const auto told = control.answer();
  nlohmann::json line = rate_json(messages, plan.size_bytes, budget.elapsed_s());
  line.update({{"cpu_s", usage.cpu_s()}, {"server", told}, {"congestion", congestion_of(socket)}});
  errno = 0;
  if (told["bytes"] != messages * plan.size_bytes) die("the server did not receive what was sent");
  return line;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Framed messages over TCP, many to a call.", "tcp_framed"};
  bool server = false;
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  FramedPlan plan;
  app.add_flag("--server", server, "serve one client");
  app.add_option("--address", address, "where the server listens; IPv4");
  app.add_option("--port", port, "its port")->required();
  app.add_option("--size", plan.size_bytes, "octets a message")->check(CLI::Range(1, 64 << 20));
  app.add_option("--duration", plan.duration_s, "seconds");
  app.add_option("--gather", plan.gather_frames, "frames a call")->check(CLI::Range(1, 256));
  app.add_flag("--crc", plan.crc, "CRC32C on every frame");
  app.add_option("--small", plan.small, "small payloads: gather or copy")->check(CLI::IsMember({"gather", "copy"}));
  app.add_option("--receive", plan.receive, "staged or direct")->check(CLI::IsMember({"staged", "direct"}));
  app.add_option("--wait", plan.wait, "spin or block")->check(CLI::IsMember({"spin", "block"}));
  app.add_option("--offset", plan.offset_bytes, "of the buffers within their pages")->check(CLI::Range(0, 4095));
  app.add_option("--congestion", plan.congestion, "congestion control; empty is the system's");
  CLI11_PARSE(app, argc, argv);
  if (server)
    serve(address, port);
  else
    std::printf("%s\n", measure(plan, address, port).dump().c_str());
  return 0;
}
