#include <softndk/softndk.h>

#include <atomic>
#include <cstdio>
#include <random>
#include <thread>
#include <vector>

#include "end.h"
#include "tools/common/ndk_connection.h"

namespace softndk::scale {
namespace {

using tools::Connector;
using tools::Deadline;

constexpr double kPatienceS = 60;

bool fine(const tools::Result<void>& result) {
  if (!result) std::fprintf(stderr, "scale: %s\n", result.error().text().c_str());
  return result.has_value();
}
template <class T>
bool take(tools::Result<T> result, T& to) {
  if (!result) {
    std::fprintf(stderr, "scale: %s\n", result.error().text().c_str());
    return false;
  }
  to = std::move(*result);
  return true;
}

tools::Address loopback(std::uint16_t port) {
  tools::Address address = *tools::parse_address("127.0.0.1", tools::PortPart::none);
  address.set_port(port);
  return address;
}

struct Connection {
  std::unique_ptr<tools::Qp> qp;
  std::unique_ptr<Connector> connector;
  unsigned owed = 0;  ///< answers that its queue had no room for
};

/// An adapter with one of each: all connections share the completion queue, the domain and the memory, whose octets
/// nobody looks at.
class Place {
 public:
  bool open(std::size_t connections_max) {
    const auto count = static_cast<ULONG>(connections_max + 1);
    return take(tools::Adapter::open(softndk_find_interface("127.0.0.1")), adapter) &&
           take(tools::Pd::create(*adapter), pd) && take(tools::Cq::create(*adapter, count * 2 * kDepth), cq) &&
           take(tools::Region::create(*adapter, *pd, 4096, NDK_MR_FLAG_ALLOW_LOCAL_WRITE), region);
  }
  bool make(Connection& connection) {
    const tools::QpShape shape{.receive_depth = kDepth, .initiator_depth = kDepth, .inline_bytes = 0};
    if (!take(tools::Qp::create(*adapter, *pd, *cq, shape, &connection), connection.qp)) return false;
    for (unsigned i = 0; i < kDepth; ++i)
      if (!receive(connection)) return false;
    return true;
  }
  bool receive(Connection& connection) { return fine(connection.qp->receive(nullptr, region->sge(0, kMessageBytes))); }
  bool send(Connection& connection) {
    return fine(connection.qp->send(this, region->sge(1024, kMessageBytes), NDK_OP_FLAG_SILENT_SUCCESS));
  }

  std::unique_ptr<tools::Adapter> adapter;
  std::unique_ptr<tools::Pd> pd;
  std::unique_ptr<tools::Cq> cq;
  std::unique_ptr<tools::Region> region;
};

class NdkServer final : public Server {
 public:
  ~NdkServer() override {
    stops_ = true;
    if (place_.cq) place_.cq->wake();
    if (accepting_.joinable()) accepting_.join();
    if (answering_.joinable()) answering_.join();
    if (listener_) listener_->stop();
  }
  bool start(std::size_t connections_max) {
    if (!place_.open(connections_max)) return false;
    while (listener_ == nullptr) {
      port_ = kFirstPort + static_cast<std::uint16_t>(std::random_device()() % kPorts);
      auto made = tools::Listener::create(*place_.adapter, loopback(port_));
      if (made) listener_ = std::move(*made);
      if (!made && made.error().status != STATUS_SHARING_VIOLATION) return fine(tl::unexpected(made.error()));
    }
    connections_.reserve(connections_max + 1);
    answering_ = std::thread([this] { answer(); });
    accepting_ = std::thread([this] { accept(); });
    return true;
  }
  std::uint16_t port() const override { return port_; }

 private:
  static constexpr std::uint16_t kFirstPort = 20000;  // below those that are chosen for connections
  static constexpr unsigned kPorts = 10000;

  void accept() {
    while (!stops_) {
      auto connector = listener_->next(Deadline(0.1));
      if (!connector) continue;
      auto connection = std::make_unique<Connection>();
      connection->connector = std::move(*connector);
      if (!place_.make(*connection)) return;
      if (!fine(connection->connector->accept(*connection->qp, *place_.cq, tools::read_limits(*place_.adapter), {},
                                              Deadline(kPatienceS))))
        continue;
      connections_.push_back(std::move(connection));
    }
  }
  void answer() {
    NDK_RESULT_EX results[64];
    while (!stops_) {
      const auto count = place_.cq->wait(results, tools::WaitMode::notified, Deadline::never(), "messages");
      if (!count) return;
      for (std::size_t i = 0; i < *count; ++i) {
        if (results[i].Status != STATUS_SUCCESS) continue;  // a connection that has ended
        auto& connection = *static_cast<Connection*>(results[i].QPContext);
        if (connection.owed++ == 0 && !pay(connection)) debtors_.push_back(&connection);
      }
      std::erase_if(debtors_, [this](Connection* connection) { return pay(*connection); });
    }
  }
  /// Sends the answers that are owed. A peer that does not take them gets no receives for more: so much is bounded.
  bool pay(Connection& connection) {
    NDK_QP* const qp = connection.qp->get();
    const NDK_SGE answer = place_.region->sge(1024, kMessageBytes), room = place_.region->sge(0, kMessageBytes);
    while (connection.owed != 0) {
      // Not by tools::Qp, which would put a refusal into words: it is looked at again and again.
      const NTSTATUS sent = qp->Dispatch->NdkSend(qp, this, &answer, 1, NDK_OP_FLAG_SILENT_SUCCESS);
      if (sent == STATUS_INSUFFICIENT_RESOURCES) return false;
      --connection.owed;
      if (sent == STATUS_SUCCESS)
        static_cast<void>(qp->Dispatch->NdkReceive(qp, nullptr, &room, 1));  // else it has ended
    }
    return true;
  }

  Place place_;
  std::unique_ptr<tools::Listener> listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> debtors_;  // of the thread that answers
  std::uint16_t port_ = 0;
  std::atomic<bool> stops_{false};
  std::thread answering_, accepting_;
};

class NdkClient final : public Client {
 public:
  explicit NdkClient(std::uint16_t port) : port_(port) {}
  bool open(std::size_t connections_max) {
    connections_.reserve(connections_max);
    return place_.open(connections_max);
  }
  bool connect(std::size_t count) override {
    while (connections_.size() < count) {
      auto connection = std::make_unique<Connection>();
      if (!place_.make(*connection) || !take(Connector::create(*place_.adapter), connection->connector)) return false;
      if (!fine(connection->connector->connect(*connection->qp, *place_.cq, loopback(0), loopback(port_),
                                               tools::read_limits(*place_.adapter), {}, Deadline(kPatienceS))))
        return false;
      connections_.push_back(std::move(connection));
    }
    return true;
  }
  bool exchange(std::size_t count, unsigned window, std::size_t operations) override {
    std::size_t next = 0, sent = 0, answered = 0;
    const auto send = [&] {
      ++sent;
      return place_.send(*connections_[next++ % count]);
    };
    while (sent < operations && sent < window)
      if (!send()) return false;
    NDK_RESULT_EX results[64];
    while (answered < operations) {
      const auto taken = place_.cq->wait(results, tools::WaitMode::notified, Deadline(kPatienceS), "answers");
      if (!taken) return fine(tl::unexpected(taken.error()));
      for (std::size_t i = 0; i < *taken; ++i) {
        if (results[i].Status != STATUS_SUCCESS) return fine(tl::unexpected(tools::test_failure("a connection ended")));
        ++answered;
        if (!place_.receive(*static_cast<Connection*>(results[i].QPContext))) return false;
        if (sent < operations && !send()) return false;
      }
    }
    return true;
  }

 private:
  const std::uint16_t port_;
  Place place_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace

std::unique_ptr<Server> make_ndk_server(std::size_t connections_max) {
  auto server = std::make_unique<NdkServer>();
  if (!server->start(connections_max)) return nullptr;
  return server;
}

std::unique_ptr<Client> make_ndk_client(std::uint16_t port, std::size_t connections_max) {
  auto client = std::make_unique<NdkClient>(port);
  if (!client->open(connections_max)) return nullptr;
  return client;
}

}  // namespace softndk::scale
