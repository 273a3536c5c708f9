/* SPDX-License-Identifier: MIT
 * What the steps of a mock broker's script do, by the rows of verbs.def. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command/mock/steps.h"

/* --- what takes more than a call --- */

static int advance(skep_mock *mock, uint64_t duration_ms) {
    skep_mock_advance(mock, duration_ms);
    return SKEP_OK;
}

static int close_connection(struct drive *drive) {
    if (drive->fd >= 0) close(drive->fd);
    drive->fd = -1;
    return SKEP_OK;
}

static int connect_to(struct drive *drive, const char *url) {
    int fd;
    int status = skep_mock_connect(drive->mock, 0, url, &fd);
    if (status != SKEP_OK) return status;
    close_connection(drive);
    drive->fd = fd;
    return SKEP_OK;
}

/* What does not fit into the kernel's buffer is more than a script should need. */
static int write_data(const struct drive *drive, const char *data, size_t size_bytes) {
    if (drive->fd < 0) return SKEP_ESTATE;
    ssize_t n = send(drive->fd, data, size_bytes, MSG_NOSIGNAL);
    if (n < 0) return skep_status_of_errno(errno);
    return (size_t)n == size_bytes ? SKEP_OK : SKEP_ETOOBIG;
}

/* --- a function for each row, and a table of them --- */

#define DATA step->data.text, step->data.size_bytes
#define FUNCTION(name, call)                                        \
    static int name(struct drive *drive, const struct step *step) { \
        skep_mock *mock = drive->mock;                              \
        (void)mock, (void)step;                                     \
        return call;                                                \
    }
#define STEP(verb, arguments, call) FUNCTION(run_##verb, call)
#define EXPECT(verb, arguments, call) FUNCTION(expect_##verb, call)
#include "command/mock/verbs.def"
#undef STEP
#undef EXPECT

static const struct verb verbs[] = {
#define STEP(verb, arguments, call) {#verb, arguments, false, run_##verb},
#define EXPECT(verb, arguments, call) {#verb, arguments, true, expect_##verb},
#include "command/mock/verbs.def"
#undef STEP
#undef EXPECT
};

const struct verb *verb_take(struct skep__words *words) {
    bool expects = skep__words_accept(words, "expect");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (verbs[i].expects == expects && skep__words_accept(words, verbs[i].name)) return &verbs[i];
    return NULL;
}
