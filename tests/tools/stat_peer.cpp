// A process to be looked at: it connects to itself, sends a known number of messages, says so and stays until its
// standard input ends.
//
//   stat_peer ADDRESS:PORT MESSAGES BYTES       prints "ready local=ADDRESS:PORT foreign=ADDRESS:PORT"
#include <softndk/softndk.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "tools/common/ndk_connection.h"

using namespace softndk::tools;

namespace {

[[noreturn]] void give_up(const Failure& failure) {
  std::fprintf(stderr, "stat_peer: %s\n", failure.text().c_str());
  std::_Exit(1);
}
template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct End {
  End(const Adapter& adapter, const Pd& pd, ULONG depth, std::size_t bytes)
      : cq(need(Cq::create(adapter, 2 * depth))),
        qp(need(Qp::create(adapter, pd, *cq, {depth, depth, 0}, nullptr))),
        region(need(Region::create(adapter, pd, bytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE))) {}
  void take(std::size_t count) {
    NDK_RESULT_EX results[16];
    while (count > 0) {
      const std::size_t came = need(cq->wait(results, WaitMode::notified, Deadline(60), "a result"));
      for (std::size_t i = 0; i < came; ++i)
        if (results[i].Status != STATUS_SUCCESS) give_up(test_failure("a request failed"));
      count -= came;
    }
  }
  std::unique_ptr<Cq> cq;
  std::unique_ptr<Qp> qp;
  std::unique_ptr<Region> region;
};

void talk(const Adapter& adapter, const Address& at, ULONG messages, std::size_t bytes) {
  const auto pd = need(Pd::create(adapter));
  End active(adapter, *pd, messages, bytes), passive(adapter, *pd, messages, bytes);
  const auto listener = need(Listener::create(adapter, at));
  for (ULONG i = 0; i < messages; ++i)
    need(passive.qp->receive(nullptr, passive.region->sge(0, bytes)));
  std::unique_ptr<Connector> accepted;
  std::thread accepting([&] {
    accepted = need(listener->next(Deadline(60)));
    need(accepted->accept(*passive.qp, *passive.cq, read_limits(adapter), {}, Deadline(60)));
  });
  const auto connector = need(Connector::create(adapter));
  Address source = at;
  source.set_port(0);
  need(connector->connect(*active.qp, *active.cq, source, at, read_limits(adapter), {}, Deadline(60)));
  accepting.join();
  for (ULONG i = 0; i < messages; ++i)
    need(active.qp->send(nullptr, active.region->sge(0, bytes)));
  active.take(messages);
  passive.take(messages);
  std::printf("ready local=%s foreign=%s\n", connector->local_text().c_str(), connector->peer_text().c_str());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  listener->stop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto at = argc == 4 ? parse_address(argv[1], PortPart::required) : std::nullopt;
  if (!at || softndk_start() != STATUS_SUCCESS) return 2;
  {
    const auto adapter = need(Adapter::open(softndk_find_interface(host_text(*at).c_str())));
    talk(*adapter, *at, static_cast<ULONG>(std::atoi(argv[2])), static_cast<std::size_t>(std::atoi(argv[3])));
  }
  softndk_stop();
  return 0;
}
