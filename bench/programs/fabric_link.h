#pragma once
// libfabric's tcp provider through its public interface: one domain, and connections with endpoints of type FI_EP_MSG.
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_rma.h>

#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "programs/tcp_socket.h"

namespace softndk::bench {

struct FabricClose {
  template <class Object>
  void operator()(Object* object) const {
    fi_close(&object->fid);
  }
};
template <class Object>
using Owned = std::unique_ptr<Object, FabricClose>;

/// Ends the program where `result` is one of libfabric's errors.
long check_fabric(long result, const char* what);

/// Where the peer's buffer is, and by which key it may be reached.
struct FabricTarget {
  std::uint64_t address = 0;
  std::uint64_t key = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(FabricTarget, address, key)

struct FabricEvent {
  std::uint32_t kind;  ///< FI_CONNREQ, FI_CONNECTED, FI_SHUTDOWN
  fid_t about;
  fi_info* info;  ///< of a connect request; the caller's to free
};

class Fabric {
 public:
  /// `port` 0 for the passive side.
  Fabric(const std::string& address, std::uint16_t port, Wait wait);
  ~Fabric();
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  /// Passive side: the port.
  std::uint16_t listen();
  FabricEvent next_event();
  fi_info* info() const { return info_; }
  fid_domain* domain() const { return domain_.get(); }
  fid_eq* events() const { return events_.get(); }
  Wait wait() const { return wait_; }
  /// Requests of one direction that an endpoint has room for.
  std::size_t depth_max() const { return info_->tx_attr->size; }

 private:
  Wait wait_;
  fi_info* info_ = nullptr;
  Owned<fid_fabric> fabric_;
  Owned<fid_eq> events_;
  Owned<fid_domain> domain_;
  Owned<fid_pep> listener_;
};

class FabricLink {
 public:
  /// `info`: the fabric's own on the active side, the connect request's on the passive side.
  FabricLink(Fabric& fabric, fi_info* info, std::size_t buffer_bytes, std::size_t offset_bytes);

  void begin_connect();
  void accept();
  /// Active or passive: until the connection is there.
  void await_connected();
  fid_t id() const { return &endpoint_->fid; }

  FabricTarget target() const;
  void set_peer(const FabricTarget& peer) { peer_ = peer; }

  void post_receive();
  /// Each waits for room, taking completions meanwhile.
  void send(std::size_t bytes);
  void send_last();
  void write(std::size_t bytes);
  void read(std::size_t bytes);
  /// Small messages go without a completion, where the provider has that.
  bool injects(std::size_t bytes) const { return bytes <= fabric_.info()->tx_attr->inject_size; }
  void inject(std::size_t bytes);

  /// Takes completions: what there is; with `at_least_one`, waits for it.
  void pump(bool at_least_one);

  std::uint64_t posted = 0;
  std::uint64_t completed = 0;  ///< of posted
  std::uint64_t received = 0;
  bool last_seen = false;  ///< the peer's send_last() has arrived

 private:
  template <class Post>
  void post(Post call, const char* what);

  Fabric& fabric_;
  fi_info* info_;
  LoadBuffer in_;
  LoadBuffer out_;
  Owned<fid_cq> completions_;
  Owned<fid_mr> in_region_;
  Owned<fid_mr> out_region_;
  Owned<fid_ep> endpoint_;
  FabricTarget peer_;
};

}  // namespace softndk::bench
