#include "bad_peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "iwarp/mpa_frame.h"
#include "iwarp/tx_framer.h"

namespace softndk::hostile {
namespace {

using Octets = std::vector<std::uint8_t>;

int connect_to(std::uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return socket;
  ::close(socket);
  return -1;
}

Octets request() {
  iwarp::MpaFrame frame;
  frame.kind = iwarp::MpaKind::request;
  frame.crc = true;
  frame.enhanced.emplace();
  frame.enhanced->peer_to_peer = true;
  frame.enhanced->rtr = {.send = false, .write = true, .read = false};
  frame.enhanced->ird = frame.enhanced->ord = 1;
  Octets octets(iwarp::kMpaFrameBytesMax);
  ByteWriter out(octets);
  iwarp::encode(frame, out);
  octets.resize(out.size());
  return octets;
}

Octets message(const iwarp::TxMessage& message, std::size_t bytes) {
  ConstIoSpan spans[16];
  std::uint8_t arena[512];
  iwarp::GatherList list(spans, arena);
  iwarp::TxFramer framer(true, false);
  const Octets payload(bytes, 0x5A);
  framer.begin(message, 0, iwarp::kUlpduBytesMax, list);
  framer.payload({payload.data(), payload.size()}, list);
  framer.finish(list);
  Octets octets;
  for (const ConstIoSpan& span : list.spans())
    octets.insert(octets.end(), span.data, span.data + span.size);
  return octets;
}

bool send_all(int socket, const Octets& octets) {
  return ::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(octets.size());
}

/// The handshake as it should be; the socket, or -1.
int establish(std::uint16_t port) {
  const int socket = connect_to(port);
  if (socket < 0 || !send_all(socket, request())) return -1;
  std::uint8_t header[iwarp::kMpaHeaderBytes];
  if (::recv(socket, header, sizeof header, MSG_WAITALL) != static_cast<ssize_t>(sizeof header)) return -1;
  Octets rest(std::size_t{header[18]} << 8 | header[19]);
  if (::recv(socket, rest.data(), rest.size(), MSG_WAITALL) != static_cast<ssize_t>(rest.size())) return -1;
  iwarp::TxMessage rtr;
  rtr.opcode = iwarp::Opcode::write;
  rtr.stag = 1;
  return send_all(socket, message(rtr, 0)) ? socket : -1;
}

/// Sends of 64 octets without end, as many as TCP takes; `read` is called between.
template <class Read>
void send_for_ever(int socket, Read read) {
  constexpr std::uint32_t kInARow = 64;
  Octets waiting;
  std::size_t at = 0;
  std::uint32_t msn = 0;
  for (;;) {
    if (at == waiting.size()) {
      waiting.clear();
      at = 0;
      for (std::uint32_t i = 0; i < kInARow; ++i) {
        iwarp::TxMessage send;
        send.opcode = iwarp::Opcode::send;
        send.length_bytes = 64;
        send.msn = ++msn;
        const Octets octets = message(send, send.length_bytes);
        waiting.insert(waiting.end(), octets.begin(), octets.end());
      }
    }
    const ssize_t sent = ::send(socket, waiting.data() + at, waiting.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) at += static_cast<std::size_t>(sent);
    read(socket, sent <= 0);
  }
}

[[noreturn]] void misbehave(Manner manner, std::uint16_t port, int begun) {
  const auto begin = [begun] { static_cast<void>(!::write(begun, "b", 1)); };
  if (manner == Manner::half_open) {
    constexpr unsigned kSilent = 300;
    for (unsigned i = 0; i < kSilent; ++i)
      connect_to(port);
    begin();
    for (;;)
      ::pause();
  }
  const int socket = establish(port);
  if (socket < 0) ::_exit(1);
  begin();
  send_for_ever(socket, [manner](int it, bool full) {
    std::uint8_t room[65536];
    pollfd events{it, static_cast<short>(POLLOUT | (manner == Manner::floods ? POLLIN : 0)), 0};
    switch (manner) {
      case Manner::stops_reading:
        if (full) ::poll(&events, 1, 10);
        return;
      case Manner::reads_one_octet:
        if (full) ::poll(&events, 1, 1);
        static_cast<void>(::recv(it, room, 1, MSG_DONTWAIT));
        return;
      case Manner::floods:
        if (full) ::poll(&events, 1, 10);
        static_cast<void>(::recv(it, room, sizeof room, MSG_DONTWAIT));
        return;
      case Manner::half_open:
        return;
    }
  });
  ::_exit(0);
}

}  // namespace

BadPeer::BadPeer(Manner manner, std::uint16_t port) {
  int begun[2];
  if (::pipe(begun) != 0) return;
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::close(begun[0]);
    misbehave(manner, port, begun[1]);
  }
  ::close(begun[1]);
  char octet;
  ok_ = pid_ > 0 && ::read(begun[0], &octet, 1) == 1;
  ::close(begun[0]);
}

BadPeer::~BadPeer() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace softndk::hostile
