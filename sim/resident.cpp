// A resident simulator of module `mixvec`: jobs come in on standard input, answers leave on standard output.
//
// Numbers are 64 bits in the byte order of the machine; a stream word is PIECES of 32 bits, least significant
// first. Once, at the start, the process says
//
//     GREETING, PIECES
//
// A request is a header and the stream words that the design is offered:
//
//     moments, paced, inputs, expected, patience, then inputs x PIECES,
//     and, if paced is not 0, the cycle from which each word is offered, then from which each answer is accepted
//
// The answer is
//
//     ended, cycles, taken, given, first_in, last_out, then given x PIECES,
//     and, if moments is not 0, the cycle of every word taken, then of every word given
//
// A job starts where the one before left the design, the first one at power-up. Unless it is paced one word is
// offered in every cycle until all are taken, and every answer is accepted. The job ends when all inputs are taken and
// `expected` words have come (ended = 1), or when no word moved for `patience` cycles (ended = 0). Cycles are
// counted from the job's first clock edge on; `first_in` and `last_out` are those of the first word taken and
// of the last one given.
//
// The process ends when its input does or its parent is gone, in the middle of a job too.

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr uint64_t GREETING = 0x7469736572766d31ULL;
// Cycles between two looks at whether anybody still waits for the answer.
constexpr uint64_t WATCH = 1 << 16;
constexpr int WATCH_MILLISECONDS = 1000;

struct Request {
    uint64_t moments, paced, inputs, expected, patience;
};

struct Answer {
    uint64_t ended, cycles, taken, given, first_in, last_out;
};

pid_t parent;

void leave_if_alone() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    const bool closed = poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR)) != 0;
    if (closed || getppid() != parent) std::_Exit(0);
}

void receive(void* data, size_t size) {
    auto* place = static_cast<char*>(data);
    while (size > 0) {
        pollfd input{STDIN_FILENO, POLLIN, 0};
        if (poll(&input, 1, WATCH_MILLISECONDS) <= 0) {
            if (getppid() != parent) std::_Exit(0);
            continue;
        }
        const ssize_t count = read(STDIN_FILENO, place, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) std::_Exit(0);
        place += count;
        size -= static_cast<size_t>(count);
    }
}

void send(const void* data, size_t size) {
    const auto* place = static_cast<const char*>(data);
    while (size > 0) {
        const ssize_t count = write(STDOUT_FILENO, place, size);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) std::_Exit(1);
        place += count;
        size -= static_cast<size_t>(count);
    }
}

// Ports of 32 and 64 bits are plain integers, wider ones arrays of pieces.
void put(IData& port, const uint32_t* word) { port = *word; }
void get(const IData& port, uint32_t* word) { *word = port; }
void put(QData& port, const uint32_t* word) { port = word[0] | static_cast<uint64_t>(word[1]) << 32; }

void get(const QData& port, uint32_t* word) {
    word[0] = static_cast<uint32_t>(port);
    word[1] = static_cast<uint32_t>(port >> 32);
}

template <std::size_t N>
void put(VlWide<N>& port, const uint32_t* word) {
    for (std::size_t piece = 0; piece < N; ++piece) port[piece] = word[piece];
}

template <std::size_t N>
void get(const VlWide<N>& port, uint32_t* word) {
    for (std::size_t piece = 0; piece < N; ++piece) word[piece] = port[piece];
}

class Device {
  public:
    static constexpr size_t PIECES = sizeof(Vtop::i_payload) / sizeof(uint32_t);

    Device() : context(new VerilatedContext), top(new Vtop(context.get())) {
        top->clk = 0;
        top->i_valid = 0;
        top->o_ready = 1;
        top->eval();
    }

    Answer run(const Request& request, const std::vector<uint32_t>& inputs, const std::vector<uint64_t>& pace,
               std::vector<uint32_t>& outputs, std::vector<uint64_t>& taken, std::vector<uint64_t>& given) {
        const uint64_t* offers = pace.data();
        const uint64_t* accepts = offers + request.inputs;
        Answer answer{};
        for (uint64_t still = 0; still < request.patience; ++answer.cycles) {
            if (answer.taken == request.inputs && answer.given >= request.expected) {
                answer.ended = 1;
                break;
            }
            if (answer.cycles % WATCH == 0) leave_if_alone();
            // The word that is offered changes only when it is taken, so it may as well be set again.
            top->i_valid =
                answer.taken < request.inputs && (!request.paced || offers[answer.taken] <= answer.cycles);
            top->o_ready = !request.paced || answer.given >= request.expected ||
                           accepts[answer.given] <= answer.cycles;
            if (top->i_valid) put(top->i_payload, &inputs[answer.taken * PIECES]);
            top->eval();
            const bool takes = top->i_valid && top->i_ready, gives = top->o_valid && top->o_ready;
            if (takes) {
                if (answer.taken++ == 0) answer.first_in = answer.cycles;
                if (request.moments) taken.push_back(answer.cycles);
            }
            if (gives) {
                outputs.resize(outputs.size() + PIECES);
                get(top->o_payload, &outputs[answer.given++ * PIECES]);
                answer.last_out = answer.cycles;
                if (request.moments) given.push_back(answer.cycles);
            }
            still = takes || gives ? 0 : still + 1;
            edge();
        }
        top->i_valid = 0;
        top->o_ready = 1;
        return answer;
    }

  private:
    std::unique_ptr<VerilatedContext> context;
    std::unique_ptr<Vtop> top;

    void edge() {
        top->clk = 1;
        top->eval();
        top->clk = 0;
    }
};

}  // namespace

int main() {
    parent = getppid();
    Device device;
    const uint64_t greeting[] = {GREETING, Device::PIECES};
    send(greeting, sizeof greeting);
    std::vector<uint32_t> inputs, outputs;
    std::vector<uint64_t> pace, taken, given;
    while (true) {
        Request request;
        receive(&request, sizeof request);
        inputs.resize(request.inputs * Device::PIECES);
        receive(inputs.data(), inputs.size() * sizeof(uint32_t));
        pace.resize(request.paced ? request.inputs + request.expected : 0);
        receive(pace.data(), pace.size() * sizeof(uint64_t));
        outputs.clear();
        for (auto* kept : {&taken, &given}) kept->clear();
        const Answer answer = device.run(request, inputs, pace, outputs, taken, given);
        send(&answer, sizeof answer);
        send(outputs.data(), outputs.size() * sizeof(uint32_t));
        for (const auto* kept : {&taken, &given}) send(kept->data(), kept->size() * sizeof(uint64_t));
    }
}
