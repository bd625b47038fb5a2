#include "programs/fabric_link.h"

#include <netinet/in.h>
#include <rdma/fi_errno.h>

#include <array>
#include <cerrno>

namespace softndk::bench {
namespace {

constexpr int kForEver = -1;

template <class Object, class Open>
Owned<Object> open(const char* what, Open call) {
  Object* object = nullptr;
  check_fabric(call(&object), what);
  return Owned<Object>(object);
}

}  // namespace

long check_fabric(long result, const char* what) {
  if (result >= 0) return result;
  errno = 0;
  die(std::string(what) + ": " + fi_strerror(static_cast<int>(-result)));
}

Fabric::Fabric(const std::string& address, std::uint16_t port, Wait wait) : wait_(wait) {
  fi_info* const hints = fi_allocinfo();
  if (hints == nullptr) die("fi_allocinfo");
  hints->ep_attr->type = FI_EP_MSG;
  hints->caps = FI_MSG | FI_RMA;
  hints->addr_format = FI_SOCKADDR_IN;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->fabric_attr->prov_name = strdup("tcp");
  const std::string service = std::to_string(port);
  const int result = fi_getinfo(FI_VERSION(1, 15), address.c_str(), port == 0 ? nullptr : service.c_str(),
                                port == 0 ? FI_SOURCE : 0, hints, &info_);
  fi_freeinfo(hints);
  check_fabric(result, "fi_getinfo");
  fabric_ = open<fid_fabric>("fi_fabric", [&](auto** out) { return fi_fabric(info_->fabric_attr, out, nullptr); });
  fi_eq_attr attributes{};
  attributes.wait_obj = FI_WAIT_UNSPEC;
  events_ =
      open<fid_eq>("fi_eq_open", [&](auto** out) { return fi_eq_open(fabric_.get(), &attributes, out, nullptr); });
  domain_ = open<fid_domain>("fi_domain", [&](auto** out) { return fi_domain(fabric_.get(), info_, out, nullptr); });
}

Fabric::~Fabric() {
  listener_.reset();
  domain_.reset();
  events_.reset();
  fabric_.reset();
  fi_freeinfo(info_);
}

std::uint16_t Fabric::listen() {
  listener_ =
      open<fid_pep>("fi_passive_ep", [&](auto** out) { return fi_passive_ep(fabric_.get(), info_, out, nullptr); });
  check_fabric(fi_pep_bind(listener_.get(), &events_->fid, 0), "fi_pep_bind");
  check_fabric(fi_listen(listener_.get()), "fi_listen");
  sockaddr_in name{};
  std::size_t bytes = sizeof(name);
  check_fabric(fi_getname(&listener_->fid, &name, &bytes), "fi_getname");
  return ntohs(name.sin_port);
}

FabricEvent Fabric::next_event() {
  Spin spin;
  for (;;) {
    std::uint32_t kind = 0;
    fi_eq_cm_entry entry{};
    const ssize_t read = wait_ == Wait::spin ? fi_eq_read(events_.get(), &kind, &entry, sizeof(entry), 0)
                                             : fi_eq_sread(events_.get(), &kind, &entry, sizeof(entry), kForEver, 0);
    if (read > 0) return {kind, entry.fid, entry.info};
    if (read == -FI_EAVAIL) {
      fi_eq_err_entry error{};
      check_fabric(fi_eq_readerr(events_.get(), &error, 0), "fi_eq_readerr");
      check_fabric(-error.err, "a connection");
    }
    if (read != -FI_EAGAIN && read != -FI_EINTR) check_fabric(read, "fi_eq_read");
    spin.again();
  }
}

FabricLink::FabricLink(Fabric& fabric, fi_info* info, std::size_t buffer_bytes, std::size_t offset_bytes)
    : fabric_(fabric), info_(info), in_(buffer_bytes, offset_bytes), out_(buffer_bytes, offset_bytes) {
  fi_cq_attr attributes{};
  attributes.format = FI_CQ_FORMAT_MSG;
  attributes.wait_obj = fabric.wait() == Wait::spin ? FI_WAIT_NONE : FI_WAIT_FD;
  attributes.size = 4 * fabric.depth_max();
  completions_ =
      open<fid_cq>("fi_cq_open", [&](auto** out) { return fi_cq_open(fabric.domain(), &attributes, out, nullptr); });
  // The application chooses the keys where the provider does not.
  constexpr std::uint64_t kAccess = FI_SEND | FI_RECV | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
  const auto region = [&](const LoadBuffer& buffer) {
    static std::uint64_t key = 1;
    return open<fid_mr>("fi_mr_reg", [&](auto** out) {
      return fi_mr_reg(fabric.domain(), buffer.bytes().data(), buffer.bytes().size(), kAccess, 0, key++, 0, out,
                       nullptr);
    });
  };
  in_region_ = region(in_);
  out_region_ = region(out_);
  endpoint_ = open<fid_ep>("fi_endpoint", [&](auto** out) { return fi_endpoint(fabric.domain(), info, out, nullptr); });
  check_fabric(fi_ep_bind(endpoint_.get(), &fabric.events()->fid, 0), "fi_ep_bind");
  check_fabric(fi_ep_bind(endpoint_.get(), &completions_->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
  check_fabric(fi_enable(endpoint_.get()), "fi_enable");
}

void FabricLink::begin_connect() {
  check_fabric(fi_connect(endpoint_.get(), info_->dest_addr, nullptr, 0), "fi_connect");
}

void FabricLink::accept() {
  check_fabric(fi_accept(endpoint_.get(), nullptr, 0), "fi_accept");
}

void FabricLink::await_connected() {
  errno = 0;
  if (fabric_.next_event().kind != FI_CONNECTED) die("not connected");
}

FabricTarget FabricLink::target() const {
  const bool is_virtual = (fabric_.info()->domain_attr->mr_mode & FI_MR_VIRT_ADDR) != 0;
  return {is_virtual ? reinterpret_cast<std::uint64_t>(in_.bytes().data()) : 0, fi_mr_key(in_region_.get())};
}

template <class Post>
void FabricLink::post(Post call, const char* what) {
  for (;;) {
    const ssize_t result = call();
    if (result == 0) return;
    if (result != -FI_EAGAIN) check_fabric(result, what);
    pump(false);
  }
}

void FabricLink::post_receive() {
  post(
      [&] {
        return fi_recv(endpoint_.get(), in_.bytes().data(), in_.bytes().size(), fi_mr_desc(in_region_.get()), 0,
                       nullptr);
      },
      "fi_recv");
}

void FabricLink::send(std::size_t bytes) {
  post([&] { return fi_send(endpoint_.get(), out_.bytes().data(), bytes, fi_mr_desc(out_region_.get()), 0, nullptr); },
       "fi_send");
  ++posted;
}

void FabricLink::inject(std::size_t bytes) {
  post([&] { return fi_inject(endpoint_.get(), out_.bytes().data(), bytes, 0); }, "fi_inject");
}

void FabricLink::send_last() {
  post(
      [&] {
        return fi_senddata(endpoint_.get(), out_.bytes().data(), 1, fi_mr_desc(out_region_.get()), 1, 0, nullptr);
      },
      "fi_senddata");
  ++posted;
}

void FabricLink::write(std::size_t bytes) {
  post(
      [&] {
        return fi_write(endpoint_.get(), out_.bytes().data(), bytes, fi_mr_desc(out_region_.get()), 0, peer_.address,
                        peer_.key, nullptr);
      },
      "fi_write");
  ++posted;
}

void FabricLink::read(std::size_t bytes) {
  post(
      [&] {
        return fi_read(endpoint_.get(), in_.bytes().data(), bytes, fi_mr_desc(in_region_.get()), 0, peer_.address,
                       peer_.key, nullptr);
      },
      "fi_read");
  ++posted;
}

void FabricLink::pump(bool at_least_one) {
  std::array<fi_cq_msg_entry, 32> entries;
  Spin spin;
  for (;;) {
    const bool sleeps = at_least_one && fabric_.wait() == Wait::block;
    const ssize_t count = sleeps ? fi_cq_sread(completions_.get(), entries.data(), entries.size(), nullptr, kForEver)
                                 : fi_cq_read(completions_.get(), entries.data(), entries.size());
    if (count == -FI_EAVAIL) {
      fi_cq_err_entry error{};
      check_fabric(fi_cq_readerr(completions_.get(), &error, 0), "fi_cq_readerr");
      check_fabric(-error.err, "a request");
    }
    if (count < 0 && count != -FI_EAGAIN && count != -FI_EINTR) check_fabric(count, "fi_cq_read");
    for (ssize_t i = 0; i < count; ++i) {
      const std::uint64_t flags = entries[static_cast<std::size_t>(i)].flags;
      if ((flags & FI_RECV) == 0) {
        ++completed;
        continue;
      }
      ++received;
      last_seen |= (flags & FI_REMOTE_CQ_DATA) != 0;
    }
    if (count > 0 || !at_least_one) return;
    spin.again();
  }
}

}  // namespace softndk::bench
