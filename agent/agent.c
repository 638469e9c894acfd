/*
 * The first process of a container that stays up: it runs commands for whoever is attached to it, one after the other.
 *
 * `docker exec` has the daemon, containerd and runc start a process beside the container's own, which takes them longer
 * than most commands run. This one is there already: it forks, as a shell does, and what it forks has all that makes a
 * process the container's (namespaces, cgroup, capabilities, seccomp, limits, environment), because it has it itself.
 *
 * No libc, nothing to link, so that it runs in an image that has nothing else. It is built by `python -m agent`, for the
 * machines that daemons run on: also where the image is another platform's, whose programs the kernel hands to an emulator.
 *
 * Protocol. Numbers are big-endian. In, on descriptor 0, for each command:
 *     u32 length of what follows, u32 number of arguments, u32 number of variables,
 *     arguments, then variables ("NAME=value", in place of those there are or beside them), each with a NUL at its end.
 * Out, on descriptor 1, frames as the Engine API's attach has them: a byte for the kind, three of nothing, u32 length, bytes.
 *     1 of its output, 2 of its error output, 3 its end: u32 wait status (wait(2)), 4 not started: u32 errno.
 * 3 or 4 is a command's last frame. Where descriptor 0 is at its end, it runs nothing and stays.
 */

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define EINTR 4
#define ENOENT 2
#define E2BIG 7
#define EACCES 13
#define EINVAL 22
#define ENOTDIR 20
#define AT_FDCWD (-100)
#define O_CLOEXEC 02000000
#define SIGCHLD 17
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define WNOHANG 1
#define POLLIN 1
#define PR_SET_DUMPABLE 4
#define CLOCK_MONOTONIC 1
#define GRACE 2000 /* milliseconds that others may go on to write to an ended command's outputs: as many as Docker gives */

enum { OUT = 1, ERR = 2, ENDED = 3, REFUSED = 4 };

#if defined(__x86_64__)
enum {
    NR_read = 0, NR_write = 1, NR_close = 3, NR_rt_sigaction = 13, NR_rt_sigprocmask = 14, NR_clone = 56, NR_execve = 59,
    NR_exit_group = 231, NR_wait4 = 61, NR_setsid = 112, NR_prctl = 157, NR_clock_gettime = 228, NR_openat = 257,
    NR_ppoll = 271, NR_signalfd4 = 289, NR_dup3 = 292, NR_pipe2 = 293,
};
static long syscall5(long number, long a, long b, long c, long d, long e) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
/* The kernel starts a program with its arguments on the stack, not where a function of C looks for them. */
__asm__(".globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call serve\n");
#elif defined(__aarch64__)
enum {
    NR_read = 63, NR_write = 64, NR_close = 57, NR_rt_sigaction = 134, NR_rt_sigprocmask = 135, NR_clone = 220,
    NR_execve = 221, NR_exit_group = 94, NR_wait4 = 260, NR_setsid = 157, NR_prctl = 167, NR_clock_gettime = 113,
    NR_openat = 56, NR_ppoll = 73, NR_signalfd4 = 74, NR_dup3 = 24, NR_pipe2 = 59,
};
static long syscall5(long number, long a, long b, long c, long d, long e) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n mov x29, 0\n mov x0, sp\n bl serve\n");
#else
#error "no such machine yet"
#endif
#define call(number, a, b, c, d, e) syscall5(NR_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

struct pollfd { int fd; short events; short revents; };
struct timespec { long seconds; long nanoseconds; };
struct sigaction { void *handler; u64 flags; void *restorer; u64 mask; };

#define REQUEST (1024 * 1024) /* bytes; whoever asks for more has to use another way */
#define MOST 16384            /* arguments, and variables */
static u8 request[REQUEST + 1];
static u8 buffer[8 + 65536];
static char *argv[MOST + 1], *envp[MOST + 1];
static char path[4096 + 256];
static char **inherited;
static const u64 sigchld = 1UL << (SIGCHLD - 1);
static u64 blocked_before; /* the signals that were blocked at the start */
static int signals;        /* a descriptor that can be read when a child has ended */

/* Compilers make calls of these from plain loops and initialisations. */
void *memcpy(void *to, const void *from, u64 size) {
    u8 *out = to;
    const u8 *in = from;
    while (size--) *out++ = *in++;
    return to;
}
void *memset(void *to, int value, u64 size) {
    u8 *out = to;
    while (size--) *out++ = (u8)value;
    return to;
}

static void stay(void) {
    /* What is adopted here is reaped by the kernel where nobody wants to know of it (signal(7)). */
    struct sigaction ignore = {(void *)1, 0, 0, 0};
    call(rt_sigaction, SIGCHLD, &ignore, 0, 8, 0);
    for (;;) call(ppoll, 0, 0, 0, 0, 0);
}

static u32 number_at(const u8 *place) {
    return (u32)place[0] << 24 | (u32)place[1] << 16 | (u32)place[2] << 8 | place[3];
}

static void put_number(u8 *place, u32 number) {
    place[0] = number >> 24, place[1] = number >> 16, place[2] = number >> 8, place[3] = number;
}

/* Fills ``size`` bytes, or stays for good: the input is at its end. */
static void fill(u8 *place, u64 size) {
    while (size) {
        long got = call(read, 0, place, size, 0, 0);
        if (got == -EINTR) continue;
        if (got <= 0) stay();
        place += got, size -= got;
    }
}

/* Writes a frame whose ``size`` bytes are in ``buffer`` already, behind the place of its head. */
static void send(u8 kind, u32 size) {
    const u8 *from = buffer;
    u64 left = 8 + (u64)size;
    buffer[0] = kind, buffer[1] = buffer[2] = buffer[3] = 0;
    put_number(buffer + 4, size);
    while (left) {
        long put = call(write, 1, from, left, 0, 0);
        if (put == -EINTR) continue;
        if (put <= 0) stay();
        from += put, left -= put;
    }
}

static void send_number(u8 kind, u32 number) {
    put_number(buffer + 8, number);
    send(kind, 4);
}

static u64 name_length(const char *variable) {
    u64 length = 0;
    while (variable[length] && variable[length] != '=') length++;
    return length;
}

static int same_name(const char *one, const char *other) {
    u64 length = name_length(one);
    if (length != name_length(other)) return 0;
    while (length--)
        if (one[length] != other[length]) return 0;
    return 1;
}

/* Takes a request apart; gives 0, or an errno. */
static int take_apart(u32 size) {
    u32 arguments, variables, count = 0;
    char *at = (char *)request + 8, *end = (char *)request + size;
    if (size < 8 || request[size - 1]) return EINVAL;
    arguments = number_at(request), variables = number_at(request + 4);
    if (!arguments || arguments > MOST || variables > MOST) return E2BIG;
    for (u32 i = 0; i < arguments + variables; i++) {
        if (at >= end) return EINVAL;
        if (i < arguments) {
            argv[i] = at;
        } else {
            u32 place = 0;
            if (i == arguments)
                for (char **each = inherited; *each && count < MOST; each++) envp[count++] = *each;
            while (place < count && !same_name(envp[place], at)) place++;
            if (place == MOST) return E2BIG;
            envp[place] = at;
            if (place == count) count++;
        }
        while (*at++) {}
    }
    if (at != end) return EINVAL;
    argv[arguments] = 0, envp[count] = 0;
    return 0;
}

/* Executes the command, which it looks for as runc does; gives an errno. */
static int execute(char **environment) {
    const char *folders = 0, *name = argv[0];
    u64 length = 0;
    int found = ENOENT;
    for (const char *at = name; *at; at++, length++)
        if (*at == '/') return (int)-call(execve, name, argv, environment, 0, 0);
    for (char **each = environment; *each; each++)
        if (same_name(*each, "PATH")) folders = *each + 5;
    if (!folders || !length || length > 255) return ENOENT;
    while (*folders) {
        u64 size = 0;
        int error;
        while (*folders && *folders != ':') {
            if (size >= 4096) return ENOENT;
            path[size++] = *folders++;
        }
        if (*folders == ':') folders++;
        if (path[0] != '/' || !size) return EINVAL; /* not the same everywhere: whoever asked has another way */
        path[size++] = '/';
        memcpy(path + size, name, length + 1);
        error = (int)-call(execve, path, argv, environment, 0, 0);
        if (error != ENOENT && error != ENOTDIR && error != EACCES) return error;
        if (error == EACCES) found = EACCES;
    }
    return found;
}

static void close_both(int *pipe) {
    call(close, pipe[0], 0, 0, 0, 0);
    call(close, pipe[1], 0, 0, 0, 0);
}

/* The child: never comes back. */
static void become(const int *out, const int *err, int report, int has_variables) {
    int null = (int)call(openat, AT_FDCWD, "/dev/null", 0, 0, 0), error;
    call(setsid, 0, 0, 0, 0, 0);
    call(rt_sigprocmask, SIG_SETMASK, &blocked_before, 0, 8, 0);
    call(dup3, null, 0, 0, 0, 0);
    call(dup3, out[1], 1, 0, 0, 0);
    call(dup3, err[1], 2, 0, 0, 0);
    if (null > 2) call(close, null, 0, 0, 0, 0);
    error = null < 0 ? -null : execute(has_variables ? envp : inherited);
    call(write, report, &error, sizeof error, 0, 0);
    call(exit_group, 127, 0, 0, 0, 0);
}

/* Gives milliseconds of a clock that only goes on. */
static long now(void) {
    struct timespec time;
    call(clock_gettime, CLOCK_MONOTONIC, &time, 0, 0, 0);
    return time.seconds * 1000 + time.nanoseconds / 1000000;
}

/* Sends what is in a pipe; gives whether it may have more. */
static int pass_on(int pipe, u8 kind) {
    long got = call(read, pipe, buffer + 8, sizeof buffer - 8, 0, 0);
    if (got == -EINTR) return 1;
    if (got <= 0) return 0;
    send(kind, (u32)got);
    return 1;
}

/* Reaps whatever has ended; gives whether ``child`` is among it, and then its status. */
static int reap(long child, int *status) {
    int one, found = 0;
    u8 told[128];
    long pid;
    call(read, signals, told, sizeof told, 0, 0);
    while ((pid = call(wait4, -1, &one, WNOHANG, 0, 0)) > 0)
        if (pid == child) *status = one, found = 1;
    return found;
}

static void run(int has_variables) {
    int out[2], err[2], report[2], error = 0, status = 0, ended = 0;
    long child, got;
    long over = 0;
    got = call(pipe2, out, O_CLOEXEC, 0, 0, 0);
    if (got < 0) return send_number(REFUSED, (u32)-got);
    got = call(pipe2, err, O_CLOEXEC, 0, 0, 0);
    if (got < 0) return close_both(out), send_number(REFUSED, (u32)-got);
    got = call(pipe2, report, O_CLOEXEC, 0, 0, 0);
    if (got < 0) return close_both(out), close_both(err), send_number(REFUSED, (u32)-got);
    child = call(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) become(out, err, report[1], has_variables);
    call(close, out[1], 0, 0, 0, 0);
    call(close, err[1], 0, 0, 0, 0);
    call(close, report[1], 0, 0, 0, 0);
    if (child < 0) error = (int)-child;
    /* Closed by a successful execve, and then at its end. */
    else while ((got = call(read, report[0], &error, sizeof error, 0, 0)) == -EINTR) {}
    call(close, report[0], 0, 0, 0, 0);
    if (error) {
        if (child > 0) call(wait4, child, 0, 0, 0, 0);
        call(close, out[0], 0, 0, 0, 0);
        call(close, err[0], 0, 0, 0, 0);
        return send_number(REFUSED, (u32)error);
    }
    while (!ended || out[0] >= 0 || err[0] >= 0) {
        struct pollfd of[3] = {{signals, POLLIN, 0}, {out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
        long left = ended ? over - now() : 0;
        struct timespec limit = {left / 1000, left % 1000 * 1000000};
        if (left < 0) break;
        if (call(ppoll, of, 3, ended ? &limit : 0, 0, 0) <= 0) continue;
        if (of[1].revents && !pass_on(out[0], OUT)) call(close, out[0], 0, 0, 0, 0), out[0] = -1;
        if (of[2].revents && !pass_on(err[0], ERR)) call(close, err[0], 0, 0, 0, 0), err[0] = -1;
        if (of[0].revents && reap(child, &status)) ended = 1, over = now() + GRACE;
    }
    if (out[0] >= 0) call(close, out[0], 0, 0, 0, 0);
    if (err[0] >= 0) call(close, err[0], 0, 0, 0, 0);
    send_number(ENDED, (u32)status);
}

/* Waits until there is a request, and reaps meanwhile what commands have left. */
static void wait_for_request(void) {
    for (;;) {
        struct pollfd of[2] = {{0, POLLIN, 0}, {signals, POLLIN, 0}};
        int status;
        if (call(ppoll, of, 2, 0, 0, 0) < 0) continue;
        if (of[1].revents) reap(0, &status);
        if (of[0].revents) return;
    }
}

__attribute__((used)) void serve(long *stack) {
    u8 head[4];
    inherited = (char **)(stack + 1 + stack[0] + 1);
    /* Nobody in the container reads or writes what goes through here, or stops it: /proc/1 and ptrace are root's outside. */
    call(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
    call(rt_sigprocmask, SIG_BLOCK, &sigchld, &blocked_before, 8, 0);
    signals = (int)call(signalfd4, -1, &sigchld, 8, O_CLOEXEC, 0);
    if (signals < 0) stay();
    for (;;) {
        u32 size;
        int error;
        wait_for_request();
        fill(head, 4);
        size = number_at(head);
        if (size > REQUEST) stay();
        fill(request, size);
        error = take_apart(size);
        if (error) send_number(REFUSED, (u32)error);
        else run(number_at(request + 4) > 0);
    }
}
