// The status socket: who gets the document, who does not, and what the worst readers cost.
#include "net/local_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/linux_world.h"
#include "net/world.h"

namespace softndk::net {
namespace {

Array<char> document(std::string_view text) {
  Array<char> octets;
  EXPECT_TRUE(octets.append(text));
  return octets;
}

/// Answers at once, on the processor, unless told to hold.
class Source final : public io::DocumentSource {
 public:
  explicit Source(std::string text) : text(std::move(text)) {}
  void on_readers() noexcept override {
    ++asked;
    if (!holds) server->answer(document(text));
  }
  void on_server_closed() noexcept override { closed.set_value(); }

  const std::string text;
  io::DocumentServer* server = nullptr;
  std::atomic<bool> holds{false};
  std::atomic<int> asked{0};
  std::promise<void> closed;
};

/// A server on a world of its own.
struct Served {
  explicit Served(std::string text, const char* directory = "") : source(std::move(text)) {
    auto created = World::create({.processors = 1, .spin_ns = 0});
    EXPECT_TRUE(created);
    world = std::move(*created);
    auto opened = LocalServer::open(directory, source, static_cast<Processor&>(world->view().executor.processor(0)));
    EXPECT_TRUE(opened);
    server = std::move(*opened);
    source.server = server.get();
    EXPECT_TRUE(server->start());
  }
  ~Served() {
    server->close();
    source.closed.get_future().wait();
  }
  Owned<World> world;
  Source source;
  OwnedInterface<LocalServer> server;
};

class Reader {
 public:
  explicit Reader(const std::string& file = {}) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string path = file.empty() ? '\0' + ("softndk/" + std::to_string(getpid())) : file;
    std::memcpy(name.sun_path, path.data(), path.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    connected = connect(fd_, reinterpret_cast<const sockaddr*>(&name), size) == 0;
  }
  ~Reader() { leave(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  void leave() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void say(const char* words) { EXPECT_EQ(send(fd_, words, strlen(words), MSG_NOSIGNAL), ssize_t(strlen(words))); }
  /// All until the end of the connection, in order or not.
  std::string read_all() {
    std::string got;
    char room[65536];
    for (;;) {
      const ssize_t bytes = recv(fd_, room, sizeof room, 0);
      if (bytes <= 0) return got;
      got.append(room, static_cast<std::size_t>(bytes));
    }
  }
  bool connected = false;

 private:
  int fd_;
};

TEST(LocalServer, EveryReaderGetsTheWholeDocumentAndTheEnd) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{3000}, std::size_t{3} << 20}) {
    Served served(std::string(bytes, 'x'));
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(Reader().read_all(), served.source.text);
    EXPECT_EQ(served.source.asked, 3);
  }
}

TEST(LocalServer, AHundredReadersAtOnceAllGetIt) {
  Served served(std::string(600'000, 'y'));  // more than a socket takes, so that places stay taken
  std::vector<std::future<std::string>> readers;
  for (int i = 0; i < 100; ++i)
    readers.push_back(std::async(std::launch::async, [] { return Reader().read_all(); }));
  for (auto& reader : readers)
    EXPECT_EQ(reader.get(), served.source.text);
}

TEST(LocalServer, ReadersThatDoNotReadLoseTheirPlaceAndStopNobody) {
  Served served(std::string(1 << 20, 'z'));
  std::vector<std::unique_ptr<Reader>> stuck;
  for (std::size_t i = 0; i < LocalServer::kReadersMax; ++i)
    stuck.push_back(std::make_unique<Reader>());
  EXPECT_EQ(Reader().read_all(), served.source.text) << "when the others' time is over";
  // Who came last may have time left: one place was needed, and one at least is lost.
  int lost = 0;
  for (auto& reader : stuck)
    lost += reader->read_all().size() < served.source.text.size();  // what the kernel had taken
  EXPECT_GE(lost, 1);
}

TEST(LocalServer, OneDocumentServesAllWhoWaitedAndOneAfterItThoseWhoCameMeanwhile) {
  Served served("once");
  served.source.holds = true;
  Reader first;
  while (served.source.asked == 0)
    std::this_thread::yield();
  Reader second, third;
  served.source.holds = false;
  served.server->answer(document("held"));
  EXPECT_EQ(first.read_all(), "held");
  // Whether the two were in time for the first document is the kernel's business; a whole one they get.
  for (Reader* reader : {&second, &third})
    EXPECT_THAT((std::vector<std::string>{"held", "once"}), testing::Contains(reader->read_all()));
}

TEST(LocalServer, WhoLeavesOrTalksBeforeTheAnswerIsForgotten) {
  Served served("quiet");
  served.source.holds = true;
  auto leaving = std::make_unique<Reader>();
  while (served.source.asked == 0)
    std::this_thread::yield();
  leaving = nullptr;
  Reader talking;
  talking.say("GET / HTTP/1.0\r\n\r\n");
  served.source.holds = false;
  served.server->answer(document("quiet"));
  EXPECT_EQ(Reader().read_all(), "quiet");
}

TEST(LocalServer, NoDocumentIsAnEndWithoutOctets) {
  Served served("");
  EXPECT_EQ(Reader().read_all(), "");
}

TEST(LocalServer, ClosingCutsReadersOff) {
  auto served = std::make_unique<Served>(std::string(1 << 20, 'w'));
  Reader reader;
  served = nullptr;
  EXPECT_LT(reader.read_all().size(), std::size_t{1} << 20);
  EXPECT_FALSE(Reader().connected);
}

TEST(LocalServer, AnotherUserGetsNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  Served served("secret");
  const pid_t child = fork();
  if (child == 0) {
    // The child's number is another: the parent's name is what it was told before.
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(2);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "softndk/%d", getppid());
    if (connect(fd, reinterpret_cast<sockaddr*>(&name),
                static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<std::size_t>(length))) != 0)
      _exit(3);
    char octet;
    _exit(recv(fd, &octet, 1, 0) <= 0 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(served.source.asked, 0) << "and no document is made for it";
  EXPECT_EQ(Reader().read_all(), "secret");
}

class LocalServerFile : public testing::Test {
 protected:
  LocalServerFile() {
    char name[] = "/tmp/softndk-test-XXXXXX";
    EXPECT_NE(mkdtemp(name), nullptr);
    root = name;
    directory = root + "/status";
    file = directory + "/softndk-" + std::to_string(getpid()) + ".sock";
  }
  ~LocalServerFile() override { std::filesystem::remove_all(root); }
  std::string root, directory, file;
};

TEST_F(LocalServerFile, IsTheUsersAloneAndGoesWithTheServer) {
  {
    Served served("file", directory.c_str());
    struct stat found {};
    ASSERT_EQ(stat(file.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
    ASSERT_EQ(stat(directory.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u);
    EXPECT_EQ(Reader(file).read_all(), "file");
  }
  EXPECT_NE(access(file.c_str(), F_OK), 0);
}

TEST_F(LocalServerFile, WhatADeadProcessLeftIsReplaced) {
  std::filesystem::create_directory(directory);
  {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, file.data(), file.size());
    ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    close(fd);
  }
  ASSERT_EQ(access(file.c_str(), F_OK), 0);
  Served served("anew", directory.c_str());
  EXPECT_EQ(Reader(file).read_all(), "anew");
}

TEST_F(LocalServerFile, APathThatIsTooLongIsRefused) {
  auto world = World::create({.processors = 1, .spin_ns = 0});
  ASSERT_TRUE(world);
  Source source("");
  auto& processor = static_cast<Processor&>((*world)->view().executor.processor(0));
  EXPECT_FALSE(LocalServer::open((root + std::string(100, '/')).c_str(), source, processor));
  EXPECT_FALSE(LocalServer::open("/proc/none", source, processor));
}

}  // namespace
}  // namespace softndk::net
