#include "net/local_server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/log.h"
#include "net/io_error.h"

namespace softndk::net {

using io::IoError;

namespace {

constexpr int kBacklog = 128;
constexpr io::TimeNs kRetryAfter_ns = 50 * io::kMillisecond;

bool is_abstract(const sockaddr_un& name) {
  return name.sun_path[0] == '\0';
}
socklen_t size_of(const sockaddr_un& name) {
  const std::size_t path_bytes = is_abstract(name) ? 1 + std::strlen(name.sun_path + 1) : std::strlen(name.sun_path);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_bytes);
}

/// nullopt: the path is too long. `attempt`: namespaces of process numbers may share one of networks.
std::optional<sockaddr_un> make_name(const char* directory, int attempt) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  char number[32];
  snprintf(number, sizeof number, attempt == 0 ? "%d" : "%d.%d", sys::process_id(), attempt);
  const int length = *directory == '\0'
                         ? snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "softndk/%s", number)
                         : snprintf(name.sun_path, sizeof name.sun_path, "%s/softndk-%s.sock", directory, number);
  if (length < 0 || static_cast<std::size_t>(length) + 2 > sizeof name.sun_path) return std::nullopt;
  return name;
}

/// Whether the file is a socket that nobody listens on any more.
bool is_left_behind(const sockaddr_un& name) {
  const sys::Fd probe(sys::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe && sys::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), size_of(name)) == -ECONNREFUSED;
}

bool may_read(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (sys::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || peer.uid == sys::effective_user();
}

}  // namespace

expected<OwnedInterface<LocalServer>, IoError> LocalServer::open(const char* directory, io::DocumentSource& source,
                                                                 Processor& processor) noexcept {
  const long made = sys::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made < 0) return unexpected(to_io_error(-made, Call::local));
  sys::Fd fd(made);
  if (*directory != '\0') {
    const long result = sys::mkdir(directory, 0700);
    if (result < 0 && result != -EEXIST) return unexpected(to_io_error(-result, Call::local));
    sys::fchmod(fd.get(), 0600);  // before bind(), so that the file never had other rights
  }
  constexpr int kAttempts = 8;
  std::optional<sockaddr_un> name;
  long result = -EADDRINUSE;
  for (int attempt = 0; result == -EADDRINUSE && attempt < kAttempts; ++attempt) {
    name = make_name(directory, attempt);
    if (!name) return unexpected(IoError::address_not_local);
    const auto* address = reinterpret_cast<const sockaddr*>(&*name);
    result = sys::bind(fd.get(), address, size_of(*name));
    if (result != -EADDRINUSE || is_abstract(*name) || !is_left_behind(*name)) continue;
    sys::unlink(name->sun_path);
    result = sys::bind(fd.get(), address, size_of(*name));
  }
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  auto server = make_interface<LocalServer>(source, processor, std::move(fd), *name);
  if (server == nullptr) {
    if (!is_abstract(*name)) sys::unlink(name->sun_path);
    return unexpected(IoError::no_resources);
  }
  return server;
}

LocalServer::LocalServer(io::DocumentSource& source, Processor& processor, sys::Fd listening,
                         const sockaddr_un& name) noexcept
    : source_(source),
      processor_(processor),
      name_(name),
      answer_task_(*this, [](io::Task& task) noexcept { static_cast<OwnedTask&>(task).server.hand_out(); }),
      close_task_(*this, [](io::Task& task) noexcept { static_cast<OwnedTask&>(task).server.finish_closing(); }),
      timer_(*this, [](io::Task& task) noexcept { static_cast<OwnedTimer&>(task).server.look_at_clock(); }),
      listening_(std::move(listening)) {
  for (Reader& reader : readers_)
    reader.server = this;
}

LocalServer::~LocalServer() {
  if (listening_) unlink();  // it was never started
}

void LocalServer::unlink() noexcept {
  if (!is_abstract(name_)) sys::unlink(name_.sun_path);
}

expected<void, IoError> LocalServer::start() noexcept {
  const long result = sys::listen(listening_.get(), kBacklog);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  return processor_.watch(listening_.get(), EPOLLIN, *this);
}

void LocalServer::watch_newcomers(bool wanted) noexcept {
  if (watches_newcomers_ == wanted) return;
  watches_newcomers_ = wanted;
  processor_.change_watch(listening_.get(), wanted ? std::uint32_t{EPOLLIN} : 0u, *this);
}

void LocalServer::on_events(std::uint32_t) noexcept {
  for (Reader& reader : readers_) {
    if (reader.phase != Reader::Phase::free) continue;
    if (!accept_one(reader)) return ask();
  }
  watch_newcomers(false);  // all places are taken: until one is free
  ask();
}

/// False: nobody is there, or nobody can be let in now.
bool LocalServer::accept_one(Reader& into) noexcept {
  for (;;) {
    const long result = sys::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (result == -EAGAIN) return false;
    if (result == -ECONNABORTED || result == -EINTR) continue;
    if (result < 0) {  // descriptors or memory are short; level-triggered, we would be told for ever
      watch_newcomers(false);
      processor_.arm(timer_, processor_.now_ns() + kRetryAfter_ns);
      return false;
    }
    sys::Fd fd(result);
    if (!may_read(fd.get())) continue;
    // No event but the end of the connection, until there is something to write.
    if (!processor_.watch(fd.get(), 0, into)) continue;
    into.fd = std::move(fd);
    into.phase = Reader::Phase::waiting;
    return true;
  }
}

void LocalServer::ask() noexcept {
  if (asking_) return;
  for (Reader& reader : readers_) {
    if (reader.phase != Reader::Phase::waiting) continue;
    reader.phase = Reader::Phase::asked;
    asking_ = true;
  }
  if (asking_) source_.on_readers();
}

void LocalServer::answer(Array<char> octets) noexcept {
  Owned<Document> document = octets.empty() ? nullptr : try_make<Document>();
  if (document != nullptr) document->octets = std::move(octets);
  MutexLock lock(lock_);
  if (closing_) return;
  answer_ = std::move(document);
  answered_ = true;
  processor_.post(answer_task_);  // under the lock: finish_closing() sees it, or we see that it is too late
}

void LocalServer::hand_out() noexcept {
  Document* document = nullptr;
  {
    MutexLock lock(lock_);
    if (!answered_) return;
    answered_ = false;
    document = answer_.release();
  }
  asking_ = false;
  if (document != nullptr) document->readers = 1;  // ours, for as long as this function needs it
  for (Reader& reader : readers_) {
    if (reader.phase != Reader::Phase::asked) continue;
    if (document == nullptr) {
      dismiss(reader);
      continue;
    }
    ++document->readers;
    reader.phase = Reader::Phase::taking;
    reader.document = document;
    reader.taken_bytes = 0;
    reader.deadline_ns = processor_.now_ns() + kTakeLimit_ns;
    push(reader);
  }
  release(document);
  look_at_clock();
  ask();
}

/// Writes what the reader's socket takes.
void LocalServer::push(Reader& reader) noexcept {
  const Array<char>& octets = reader.document->octets;
  while (reader.taken_bytes < octets.size()) {
    const long result = sys::send(reader.fd.get(), octets.begin() + reader.taken_bytes,
                                  octets.size() - reader.taken_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (result == -EINTR) continue;
    if (result == -EAGAIN) return processor_.change_watch(reader.fd.get(), EPOLLOUT, reader);
    if (result <= 0) break;
    reader.taken_bytes += static_cast<std::size_t>(result);
  }
  dismiss(reader);
}

void LocalServer::release(Document* document) noexcept {
  if (document == nullptr || --document->readers != 0) return;
  Owned<Document> gone(document);
}

void LocalServer::dismiss(Reader& reader) noexcept {
  processor_.unwatch(reader.fd.get());
  reader.fd.reset();
  release(std::exchange(reader.document, nullptr));
  reader.phase = Reader::Phase::free;
  reader.deadline_ns = io::kNever;
  watch_newcomers(true);
}

/// The place may have been given up, or given anew, by an earlier event of the same batch: so the event itself counts
/// for nothing, and the socket is asked.
void LocalServer::on_reader_events(Reader& reader) noexcept {
  if (reader.phase == Reader::Phase::free) return;
  if (reader.phase == Reader::Phase::taking) return push(reader);
  char octet;
  const long result = sys::recv(reader.fd.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  if (result != -EAGAIN) dismiss(reader);  // it left, or it talks
}

/// Those who are late go; newcomers who waited for a shortage to pass come in.
void LocalServer::look_at_clock() noexcept {
  const io::TimeNs now_ns = processor_.now_ns();
  io::TimeNs next_ns = io::kNever;
  for (Reader& reader : readers_) {
    if (reader.deadline_ns <= now_ns) dismiss(reader);
    next_ns = std::min(next_ns, reader.deadline_ns);
  }
  const bool has_place = std::any_of(readers_.begin(), readers_.end(),
                                     [](const Reader& reader) { return reader.phase == Reader::Phase::free; });
  if (has_place) watch_newcomers(true);
  if (next_ns != io::kNever) processor_.arm(timer_, next_ns);
}

void LocalServer::close() noexcept {
  processor_.post(close_task_);
}

void LocalServer::finish_closing() noexcept {
  {
    MutexLock lock(lock_);
    closing_ = true;
    answered_ = false;
    answer_ = nullptr;
  }
  if (answer_task_.is_queued()) {  // it has to find us
    processor_.post(close_task_);
    return;
  }
  processor_.cancel(timer_);
  for (Reader& reader : readers_) {
    if (reader.phase != Reader::Phase::free) dismiss(reader);
  }
  processor_.unwatch(listening_.get());
  listening_.reset();
  unlink();
  source_.on_server_closed();
}

}  // namespace softndk::net
