#pragma once
// One end of many connections: what is measured, over NDKPI and over plain sockets.
#include <cstddef>
#include <cstdint>
#include <memory>

namespace softndk::scale {

constexpr std::size_t kMessageBytes = 64;
/// What one connection may have outstanding.
constexpr unsigned kDepth = 16;

/// Answers every message on every connection that comes, on a thread of its own, asleep while there is none.
class Server {
 public:
  virtual ~Server() = default;
  /// The port it listens on, of 127.0.0.1.
  virtual std::uint16_t port() const = 0;
};

class Client {
 public:
  virtual ~Client() = default;
  /// Makes them one after the other, until there are `count`.
  virtual bool connect(std::size_t count) = 0;
  /// Sends `operations` messages, each to be answered before its connection counts as free, `window` of them
  /// outstanding; over the first `connections` in turn.
  virtual bool exchange(std::size_t connections, unsigned window, std::size_t operations) = 0;
};

// Null: it said why on stderr.
std::unique_ptr<Server> make_ndk_server(std::size_t connections_max);
std::unique_ptr<Client> make_ndk_client(std::uint16_t port, std::size_t connections_max);
std::unique_ptr<Server> make_raw_server();
std::unique_ptr<Client> make_raw_client(std::uint16_t port);

}  // namespace softndk::scale
