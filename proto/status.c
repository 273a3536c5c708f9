/* SPDX-License-Identifier: MIT
 * Texts and exit statuses of errors.def. */
#include <errno.h>
#include <skep/status.h>
#include <stddef.h>

struct row {
    int status;
    int exit_status;
    const char *name;
    const char *text;
};

static const struct row rows[] = {
#define ERROR(name_, value, exit_status_, text_) \
    {.status = (value), .exit_status = (exit_status_), .name = #name_, .text = (text_)},
#include <skep/errors.def>
#undef ERROR
};

static const struct row *find(int status) {
    static const struct row unknown = {.status = -1, .exit_status = 70, .name = "EUNKNOWN", .text = "unknown status"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status) return &rows[i];
    return &unknown;
}

const char *skep_strerror(int status) {
    return find(status)->text;
}

const char *skep_status_name(int status) {
    return find(status)->name;
}

int skep_exit_status(int status) {
    return find(status)->exit_status;
}

int skep_status_of_errno(int error) {
    switch (error) {
    case 0: return SKEP_OK;
    case ENOBUFS:
    case ENOMEM: return SKEP_ENOMEM;
    case ENOSPC:
    case EDQUOT: return SKEP_ENOSPC;
    case EMFILE:
    case ENFILE: return SKEP_EMFILE;
    case EAGAIN: return SKEP_EAGAIN;
    case ETIMEDOUT: return SKEP_ETIMEDOUT;
    case EADDRINUSE: return SKEP_EADDRINUSE;
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case ENODEV:
    case ENOENT:
    case ENOTDIR: return SKEP_EADDR;
    case EACCES:
    case EROFS:
    case EPERM: return SKEP_EACCES;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED: return SKEP_ECLOSED;
    default: return SKEP_ESYS;
    }
}
