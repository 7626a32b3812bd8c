// A board in simulation, its serial line a pseudo-terminal whose name is the first line of standard output.
//
//     Vtop CLOCKS_PER_BIT [once]
//
// The clock stands still while nothing has moved on the line for QUIET cycles, since a board does nothing that
// a host could see without being asked. With `once` the process ends when the host that was there has left;
// it ends in any case when its standard input does, and so never outlives whoever started it.
//
// For every byte on standard input it writes two lines of numbers: the cycles in which each word was first offered
// to the core since its last reset or the line before, and those in which each word of its answers was taken. Of
// more than MOMENTS it forgets those before.

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int RESET_CYCLES = 4;
constexpr int FRAME_BITS = 10;
constexpr uint64_t QUIET = 200'000;
constexpr int LOOK = 256;
constexpr int NAP_MILLISECONDS = 5;
constexpr size_t MOMENTS = 1 << 24;
// A host that does not read loses bytes, as on a line without flow control.
constexpr size_t UNREAD = 1 << 16;

[[noreturn]] void refuse(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

int open_terminal() {
    const int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) refuse("pseudo-terminal");
    const char* name = ptsname(master);
    const int slave = open(name, O_RDWR | O_NOCTTY);
    if (slave < 0) refuse(name);
    termios mode{};
    tcgetattr(slave, &mode);
    cfmakeraw(&mode);
    tcsetattr(slave, TCSANOW, &mode);
    close(slave);
    fcntl(master, F_SETFL, O_NONBLOCK);
    std::printf("%s\n", name);
    std::fflush(stdout);
    return master;
}

// When words moved at the core, in cycles, since its last reset.
class Moments {
  public:
    void note(bool clears, bool offered, bool accepts, bool gives) {
        if (clears) {
            offers.clear();
            given.clear();
            waits = false;
        } else {
            if (offered && !waits) keep(offers);
            waits = offered && !accepts;
            if (gives) keep(given);
        }
        ++cycle;
    }

    void tell() {
        for (auto* moments : {&offers, &given}) {
            for (const uint64_t moment : *moments) std::printf("%llu ", static_cast<unsigned long long>(moment));
            std::printf("\n");
            moments->clear();
        }
        std::fflush(stdout);
    }

  private:
    void keep(std::vector<uint64_t>& moments) {
        if (moments.size() == MOMENTS) moments.clear();
        moments.push_back(cycle);
    }

    uint64_t cycle = 0;
    bool waits = false;
    std::vector<uint64_t> offers, given;
};

// The host's end of the line.
class Host {
  public:
    Host(int terminal, bool once, Moments& moments) : terminal(terminal), once(once), moments(moments) {}

    // Fetch what has come and give what is due; wait for either if there is no hurry.
    void exchange(bool hurry) {
        pollfd ends[2] = {{terminal, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        poll(ends, 2, hurry ? 0 : -1);
        if (ends[1].revents != 0) answer();
        if (next == held) fetch(hurry);
        if (!outward.empty()) {
            const ssize_t count = write(terminal, outward.data(), outward.size());
            if (count > 0) outward.erase(0, static_cast<size_t>(count));
        }
    }

    bool pending() const { return next != held; }
    uint8_t take() { return inward[next++]; }
    void give(uint8_t byte) {
        if (outward.size() < UNREAD) outward.push_back(static_cast<char>(byte));
    }

  private:
    void answer() {
        char request;
        if (read(STDIN_FILENO, &request, 1) <= 0) std::exit(0);
        moments.tell();
    }

    void fetch(bool hurry) {
        const ssize_t count = read(terminal, inward, sizeof inward);
        next = 0;
        held = count > 0 ? static_cast<size_t>(count) : 0;
        if (count > 0) present = true;
        if (count == 0 || (count < 0 && errno == EIO)) {
            if (present && once) std::exit(0);
            // Nobody has the other end open, which poll() reports at once.
            present = false;
            outward.clear();
            if (!hurry) poll(nullptr, 0, NAP_MILLISECONDS);
        }
    }

    int terminal;
    bool once;
    Moments& moments;
    bool present = false;
    uint8_t inward[4096];
    size_t next = 0, held = 0;
    std::string outward;
};

class Board {
  public:
    Board(Host& host, Moments& moments, int divisor)
        : host(host), moments(moments), divisor(divisor), top(new Vtop(&context)) {
        top->rx = 1;
        top->rst = 1;
        for (int n = 0; n < RESET_CYCLES; ++n) edge();
        top->rst = 0;
    }

    // One clock cycle; return whether something moves on the line.
    bool step() {
        const bool sends = send_bit();
        edge();
        return receive_bit() || sends;
    }

  private:
    void edge() {
        top->clk = 0;
        top->eval();
        moments.note(top->clears, top->offered, top->accepts, top->gives);
        top->clk = 1;
        top->eval();
    }

    bool send_bit() {
        if (send_timer > 0) {
            --send_timer;
            return true;
        }
        if (send_left == 0) {
            if (!host.pending()) return false;
            send_frame = host.take() << 1 | 0x200;
            send_left = FRAME_BITS;
        }
        top->rx = send_frame & 1;
        send_frame >>= 1;
        --send_left;
        send_timer = divisor - 1;
        return true;
    }

    bool receive_bit() {
        if (receive_left == 0) {
            if (top->tx) return false;
            receive_left = FRAME_BITS;
            receive_timer = divisor / 2;
        }
        if (receive_timer-- > 0) return true;
        receive_timer = divisor - 1;
        receive_frame = receive_frame >> 1 | (top->tx ? 0x200 : 0);
        if (--receive_left == 0) host.give(static_cast<uint8_t>(receive_frame >> 1));
        return true;
    }

    Host& host;
    Moments& moments;
    int divisor;
    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    int send_timer = 0, send_left = 0, send_frame = 0;
    int receive_timer = 0, receive_left = 0, receive_frame = 0;
};

}  // namespace

int main(int count, char** arguments) {
    if (count < 2) return 2;
    Moments moments;
    Host host(open_terminal(), count > 2 && std::strcmp(arguments[2], "once") == 0, moments);
    Board board(host, moments, std::atoi(arguments[1]));
    for (uint64_t quiet = 0;;) {
        bool moved = false;
        for (int n = 0; n < LOOK; ++n) moved |= board.step();
        quiet = moved ? 0 : quiet + LOOK;
        host.exchange(quiet < QUIET);
    }
}
