// Calls of the system that do not go through the C library, for record_calls.c: inline `syscall` instructions, as Rust
// programs have them, and the function syscall().
//
// A seccomp filter lets those that change files trap unless they come from the C library itself; the handler of the trap
// makes the call that record_calls.c wraps instead. Linux on x86-64 only; elsewhere, and where the filter is not allowed,
// such calls go unseen, as they did before there was this file.
#define _GNU_SOURCE
#include <stddef.h>

int record_raw_calls(void);

#if defined(__linux__) && defined(__x86_64__)
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

static const int WATCHED[] = {
    SYS_open, SYS_openat, SYS_creat, SYS_mkdir, SYS_mkdirat, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_link, SYS_linkat, SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_copy_file_range,
    SYS_sendfile, SYS_ftruncate, SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_mmap, SYS_munmap, SYS_msync,
    SYS_openat2, SYS_pwritev2, SYS_splice, SYS_io_uring_setup,
};
enum { WATCHED_COUNT = sizeof WATCHED / sizeof *WATCHED };

int renameat2(int, const char *, int, const char *, unsigned);

// The call in its wrapped form; -1 with errno set if it fails, or if there is no such form.
static long wrapped(long number, const long *a) {
#define TEXT(i) ((const char *)a[i])
    switch (number) {
    case SYS_open: return open(TEXT(0), (int)a[1], (mode_t)a[2]);
    case SYS_openat: return openat((int)a[0], TEXT(1), (int)a[2], (mode_t)a[3]);
    case SYS_creat: return creat(TEXT(0), (mode_t)a[1]);
    case SYS_mkdir: return mkdirat(AT_FDCWD, TEXT(0), (mode_t)a[1]);
    case SYS_mkdirat: return mkdirat((int)a[0], TEXT(1), (mode_t)a[2]);
    case SYS_unlink: return unlinkat(AT_FDCWD, TEXT(0), 0);
    case SYS_unlinkat: return unlinkat((int)a[0], TEXT(1), (int)a[2]);
    case SYS_rmdir: return unlinkat(AT_FDCWD, TEXT(0), AT_REMOVEDIR);
    case SYS_rename: return renameat2(AT_FDCWD, TEXT(0), AT_FDCWD, TEXT(1), 0);
    case SYS_renameat: return renameat2((int)a[0], TEXT(1), (int)a[2], TEXT(3), 0);
    case SYS_renameat2: return renameat2((int)a[0], TEXT(1), (int)a[2], TEXT(3), (unsigned)a[4]);
    case SYS_link: return linkat(AT_FDCWD, TEXT(0), AT_FDCWD, TEXT(1), 0);
    case SYS_linkat: return linkat((int)a[0], TEXT(1), (int)a[2], TEXT(3), (int)a[4]);
    case SYS_write: return write((int)a[0], (const void *)a[1], (size_t)a[2]);
    case SYS_pwrite64: return pwrite((int)a[0], (const void *)a[1], (size_t)a[2], a[3]);
    case SYS_writev: return writev((int)a[0], (const struct iovec *)a[1], (int)a[2]);
    case SYS_pwritev: return pwritev((int)a[0], (const struct iovec *)a[1], (int)a[2], a[3]);
    case SYS_copy_file_range:
        return copy_file_range((int)a[0], (off64_t *)a[1], (int)a[2], (off64_t *)a[3], (size_t)a[4], (unsigned)a[5]);
    case SYS_sendfile: return sendfile((int)a[0], (int)a[1], (off_t *)a[2], (size_t)a[3]);
    case SYS_ftruncate: return ftruncate((int)a[0], a[1]);
    case SYS_truncate: return truncate(TEXT(0), a[1]);
    case SYS_fallocate: return fallocate((int)a[0], (int)a[1], a[2], a[3]);
    case SYS_fsync: return fsync((int)a[0]);
    case SYS_fdatasync: return fdatasync((int)a[0]);
    case SYS_mmap: return (long)mmap((void *)a[0], (size_t)a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
    case SYS_munmap: return munmap((void *)a[0], (size_t)a[1]);
    case SYS_msync: return msync((void *)a[0], (size_t)a[1], (int)a[2]);
    default: errno = ENOSYS; return -1;  // programs have another way for kernels that are too old
    }
#undef TEXT
}

static void trapped(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long arguments[] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                        registers[REG_R10], registers[REG_R8], registers[REG_R9]};
    int before = errno;
    long result = wrapped(info->si_syscall, arguments);
    registers[REG_RAX] = result == -1 ? -errno : result;
    errno = before;
}

static int watched(long number) {
    for (int i = 0; i < WATCHED_COUNT; ++i)
        if (WATCHED[i] == number) return 1;
    return 0;
}

long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
    va_end(list);
    return watched(number) ? wrapped(number, a) : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

// Where the code of a library lies; 0 if that is not known, or on both sides of a multiple of 4 GiB.
static int code_of(void *function, uintptr_t *first, uintptr_t *last) {
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return 0;
    char line[4352], flags[5];
    unsigned long start, stop;
    int found = 0;
    while (!found && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &start, &stop, flags) != 3) continue;
        found = (uintptr_t)function >= start && (uintptr_t)function < stop;
    }
    fclose(maps);
    *first = start, *last = stop - 1;
    return found && *first >> 32 == *last >> 32;
}

int record_raw_calls(void) {
    uintptr_t first, last;
    if (!code_of(dlsym(RTLD_NEXT, "pwritev"), &first, &last)) return 0;
    struct sock_filter filter[WATCHED_COUNT + 12];
    int at = 0;
#define PUT(code, k, yes, no) filter[at++] = (struct sock_filter)BPF_JUMP(code, k, yes, no)
    PUT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    PUT(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    PUT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    PUT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (int i = 0; i < WATCHED_COUNT; ++i) PUT(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)WATCHED[i], WATCHED_COUNT - i, 0);
    PUT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    PUT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4, 0, 0);
    PUT(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(first >> 32), 0, 3);
    PUT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer), 0, 0);
    PUT(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)first, 0, 1);
    PUT(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)last, 0, 1);
    PUT(BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
    PUT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
#undef PUT
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sock_fprog program = {(unsigned short)at, filter};
    return !sigaction(SIGSYS, &action, NULL) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
           !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
int record_raw_calls(void) { return 0; }
#endif
