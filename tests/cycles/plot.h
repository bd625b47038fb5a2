#pragma once
// One opened adapter with random objects on it, made and closed in a random legal order, until the adapter itself is
// closed over whatever still goes on.
#include <array>
#include <atomic>
#include <deque>

#include "item.h"

namespace softndk::cycles {

inline constexpr unsigned kWorkers = 3;
/// Objects of one type on one plot, at most.
inline constexpr unsigned kEachMax = 24;

/// What the workers share.
struct Field {
  NET_IFINDEX index = 0;
  std::array<bool, kKinds> offered{};               ///< the types that the provider makes
  std::array<std::atomic<Item*>, kWorkers> outbox;  ///< of each worker: closed by any other one who finds it
};

/// What one worker keeps from plot to plot.
struct Worker {
  Worker(Field& all, unsigned which, std::uint64_t seed) : field(all), number(which), random(seed), memory(8192) {}
  Field& field;
  const unsigned number;
  Random random;
  stack::Memory memory;
  Counts done;
};

class Plot {
 public:
  explicit Plot(Worker& worker) : worker_(worker), random_(worker.random), adapter_(worker.field.index) {}

  /// Makes what `wanted` says, and what that needs, and closes everything. Returns when the adapter is closed.
  void run(Counts wanted);

  /// A create has ended; any thread.
  void progress() { progress_.set(); }
  /// Another worker has closed what it took; its last word.
  void given_back() { held_by_others_.fetch_sub(1); }

 private:
  bool is_usable(const Item& item) const { return item.is_made() && !item.is_given_away; }
  /// A random one that may be used; null: none.
  Item* pick(Kind kind);
  /// Makes one, or an antecedent it lacks, or waits for one that is being made. True: made.
  bool make(Kind kind);
  void begin_create(Item& item);
  void use(Item& item);
  void use_region(Item& item);
  void use_shared_queue(Item& item);
  void use_connector(Item& item);
  void close_something();
  void give_up(Item& item);
  void serve_others();
  template <class Condition>
  void wait_until(Condition condition);

  Worker& worker_;
  Random& random_;
  stack::Event progress_;
  std::atomic<int> held_by_others_{0};
  Counts made_;
  std::deque<Item> items_;
  stack::OpenAdapter adapter_;
};

/// Two ends and a listener, closed in any order at any stage between the first connect and the disconnect.
void connect_and_close(Worker& worker);

}  // namespace softndk::cycles
