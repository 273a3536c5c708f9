/* SPDX-License-Identifier: MIT
 * SP's bytes: greetings, heads, frames that come in whatever pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "contract.h"
#include "transport/sp.h"

enum { STREAM_BYTES = 64 * 1024, FRAMES = 64, FIRST_ROOM = 64 * 1024 };

static const unsigned char push_greeting[] = {0, 'S', 'P', 0, 0, 0x50, 0, 0};

/* --- a stream being written, and what is read of it --- */

struct stream {
    char bytes[STREAM_BYTES];
    size_t size_bytes;
};

struct read {
    struct skep__sp_reader reader;
    unsigned count;
    size_t sizes[FRAMES];
    char last[64];
    int status; /* the latest */
};

static void add(struct stream *stream, const void *data, size_t size_bytes) {
    assert_true(stream->size_bytes + size_bytes <= sizeof stream->bytes);
    if (size_bytes > 0) memcpy(stream->bytes + stream->size_bytes, data, size_bytes);
    stream->size_bytes += size_bytes;
}

static void add_frame(struct stream *stream, const void *body, size_t size_bytes) {
    unsigned char head[SKEP__SP_HEAD_BYTES];
    skep__sp_head(head, size_bytes);
    add(stream, head, sizeof head);
    add(stream, body, size_bytes);
}

static void begin_stream(struct stream *stream) {
    stream->size_bytes = 0;
    add(stream, push_greeting, sizeof push_greeting);
}

static struct read begin_read(void) {
    return (struct read){.reader = {.expects = SKEP__SP_PUSH}};
}

static void take(struct read *read, const char *data, size_t left_bytes) {
    struct skep_bytes frame;
    while ((read->status = skep__sp_next(&read->reader, &data, &left_bytes, &frame)) == SKEP_OK) {
        if (read->count < FRAMES) read->sizes[read->count] = frame.size_bytes;
        read->count++;
        size_t kept_bytes = frame.size_bytes < sizeof read->last ? frame.size_bytes : sizeof read->last;
        if (kept_bytes > 0) memcpy(read->last, frame.data, kept_bytes);
    }
    if (read->status == SKEP_EAGAIN) assert_int_equal(left_bytes, 0);
}

/* In a copy of just that size, so that reading beyond it is found. */
static void take_copy(struct read *read, const char *data, size_t size_bytes) {
    char *copy = malloc(size_bytes > 0 ? size_bytes : 1);
    assert_non_null(copy);
    if (size_bytes > 0) memcpy(copy, data, size_bytes);
    take(read, copy, size_bytes);
    free(copy);
}

/* --- greetings --- */

static void test_protocols(void **state) {
    unsigned char greeting[SKEP__SP_GREETING_BYTES];
    (void)state;
    skep__sp_greeting(greeting, SKEP__SP_PUSH);
    assert_memory_equal(greeting, push_greeting, sizeof greeting);
    assert_int_equal(skep__sp_counterpart(SKEP__SP_PUSH), SKEP__SP_PULL);
    assert_int_equal(skep__sp_counterpart(SKEP__SP_PULL), SKEP__SP_PUSH);
    assert_int_equal(skep__sp_counterpart(SKEP__SP_PUB), SKEP__SP_SUB);
    assert_int_equal(skep__sp_counterpart(SKEP__SP_REP), SKEP__SP_REQ);
}

static void test_a_greeting(void **state) {
    struct read read = begin_read();
    (void)state;
    for (size_t i = 0; i < sizeof push_greeting; i++) {
        assert_true(skep__sp_is_between(&read.reader));
        take_copy(&read, (const char *)push_greeting + i, 1);
        assert_int_equal(read.status, SKEP_EAGAIN);
        assert_int_equal(read.reader.greeted, i + 1 == sizeof push_greeting);
    }
    assert_false(skep__sp_is_between(&read.reader));
    skep__sp_free(&read.reader);
}

/* Any byte of it may be wrong. */
static void test_wrong_greetings(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof push_greeting; i++) {
        char greeting[sizeof push_greeting];
        struct read read = begin_read();
        memcpy(greeting, push_greeting, sizeof greeting);
        greeting[i] ^= 1;
        take_copy(&read, greeting, sizeof greeting);
        assert_int_equal(read.status, SKEP_EPROTO);
        assert_string_equal(read.reader.why, i < 4 ? "greeting is not that of SP" : "greeting of another protocol");
        skep__sp_free(&read.reader);
    }
}

/* --- heads --- */

static int status_of_head(const unsigned char head[SKEP__SP_HEAD_BYTES], struct read *read) {
    struct stream stream = {.size_bytes = 0};
    *read = begin_read();
    begin_stream(&stream);
    add(&stream, head, SKEP__SP_HEAD_BYTES);
    take_copy(read, stream.bytes, stream.size_bytes);
    return read->status;
}

static void check_size(uint64_t size_bytes, int status) {
    unsigned char head[SKEP__SP_HEAD_BYTES];
    struct read read;
    skep__sp_head(head, (size_t)size_bytes);
    assert_int_equal(status_of_head(head, &read), status);
    if (status == SKEP_EPROTO) assert_string_equal(read.reader.why, "a frame over the limit");
    assert_in_range(read.reader.room_bytes, 0, FIRST_ROOM); /* whatever the head claims */
    skep__sp_free(&read.reader);
}

static void test_sizes(void **state) {
    (void)state;
    check_size(1, SKEP_EAGAIN);
    check_size(SKEP_MAX_FRAME, SKEP_EAGAIN);
    check_size((uint64_t)SKEP_MAX_FRAME + 1, SKEP_EPROTO);
    check_size(UINT64_C(1) << 32, SKEP_EPROTO); /* which is nothing in 32 bits */
    check_size(UINT64_C(1) << 63, SKEP_EPROTO);
    check_size(UINT64_MAX, SKEP_EPROTO);
}

static void test_a_wrong_first_byte(void **state) {
    static const unsigned char bytes[] = {0, 2, 0xff};
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        const unsigned char head[SKEP__SP_HEAD_BYTES] = {bytes[i], 0, 0, 0, 0, 0, 0, 0, 1};
        struct read read;
        assert_int_equal(status_of_head(head, &read), SKEP_EPROTO);
        skep__sp_free(&read.reader);
    }
}

/* --- frames --- */

static void test_frames_in_place(void **state) {
    struct read read = begin_read();
    struct stream stream = {.size_bytes = 0};
    struct skep_bytes frame;
    (void)state;
    begin_stream(&stream);
    add_frame(&stream, "first", 5);
    add_frame(&stream, "", 0);
    add_frame(&stream, "third", 5);
    const char *data = stream.bytes;
    size_t left_bytes = stream.size_bytes;
    assert_int_equal(skep__sp_next(&read.reader, &data, &left_bytes, &frame), SKEP_OK);
    assert_ptr_equal(frame.data, stream.bytes + sizeof push_greeting + SKEP__SP_HEAD_BYTES);
    assert_int_equal(skep__sp_next(&read.reader, &data, &left_bytes, &frame), SKEP_OK);
    assert_int_equal(frame.size_bytes, 0);
    assert_int_equal(skep__sp_next(&read.reader, &data, &left_bytes, &frame), SKEP_OK);
    assert_ptr_equal(frame.data, stream.bytes + stream.size_bytes - 5);
    assert_int_equal(skep__sp_next(&read.reader, &data, &left_bytes, &frame), SKEP_EAGAIN);
    assert_null(read.reader.body); /* nothing was copied */
    skep__sp_free(&read.reader);
}

static void test_split_anywhere(void **state) {
    struct stream stream = {.size_bytes = 0};
    (void)state;
    begin_stream(&stream);
    add_frame(&stream, "first", 5);
    add_frame(&stream, "", 0);
    add_frame(&stream, "the third", 9);
    for (size_t one = 0; one <= stream.size_bytes; one++) {
        for (size_t two = one; two <= stream.size_bytes; two++) {
            struct read read = begin_read();
            take_copy(&read, stream.bytes, one);
            take_copy(&read, stream.bytes + one, two - one);
            take_copy(&read, stream.bytes + two, stream.size_bytes - two);
            assert_int_equal(read.status, SKEP_EAGAIN);
            assert_int_equal(read.count, 3);
            assert_int_equal(read.sizes[1], 0);
            assert_memory_equal(read.last, "the third", 9);
            skep__sp_free(&read.reader);
        }
    }
}

/* A frame that is given up in its midst is freed with the reader. */
static void test_freed_in_the_midst(void **state) {
    struct read read = begin_read();
    struct stream stream = {.size_bytes = 0};
    (void)state;
    begin_stream(&stream);
    add_frame(&stream, "never whole", 11);
    take_copy(&read, stream.bytes, stream.size_bytes - 3);
    assert_int_equal(read.count, 0);
    assert_int_equal(read.reader.body_bytes, 8);
    skep__sp_free(&read.reader);
    assert_null(read.reader.body);
}

/* --- receiving in place --- */

/* Puts the bytes where the reader wants them, as a socket would; how many it took. */
static size_t fill(struct read *read, const char *data, size_t size_bytes, bool *rest) {
    char *place;
    size_t room_bytes = skep__sp_room(&read->reader, &place, rest);
    size_t n = size_bytes < room_bytes ? size_bytes : room_bytes;
    if (n > 0) memcpy(place, data, n);
    skep__sp_filled(&read->reader, n);
    return n;
}

static void test_room(void **state) {
    struct read read = begin_read();
    struct stream stream = {.size_bytes = 0};
    bool rest = false;
    char *place;
    (void)state;
    assert_int_equal(skep__sp_room(&read.reader, &place, &rest), 0); /* nothing has come */
    begin_stream(&stream);
    add_frame(&stream, "0123456789", 10);
    take_copy(&read, stream.bytes, stream.size_bytes - 7);
    assert_int_equal(skep__sp_room(&read.reader, &place, &rest), 7);
    assert_true(rest); /* all of it fits, so that the next one may follow */
    assert_int_equal(fill(&read, "345", 3, &rest), 3);
    take(&read, NULL, 0);
    assert_int_equal(read.count, 0);
    assert_int_equal(fill(&read, "6789 and more", 13, &rest), 4);
    take(&read, NULL, 0);
    assert_int_equal(read.count, 1);
    assert_memory_equal(read.last, "0123456789", 10);
    assert_int_equal(skep__sp_room(&read.reader, &place, &rest), 0);
    skep__sp_free(&read.reader);
}

/* What is allocated follows what has come. */
static void test_a_claim_costs_nothing(void **state) {
    struct read read = begin_read();
    struct stream stream = {.size_bytes = 0};
    unsigned char head[SKEP__SP_HEAD_BYTES];
    size_t come_bytes = 0;
    char *chunk = calloc(1, FIRST_ROOM);
    bool rest = false;
    (void)state;
    assert_non_null(chunk);
    begin_stream(&stream);
    skep__sp_head(head, SKEP_MAX_FRAME);
    add(&stream, head, sizeof head);
    take_copy(&read, stream.bytes, stream.size_bytes);
    assert_in_range(malloc_usable_size(read.reader.body), 0, FIRST_ROOM + 64);
    for (size_t n; (n = fill(&read, chunk, FIRST_ROOM, &rest)) > 0; take(&read, NULL, 0)) {
        come_bytes += n;
        assert_true(read.reader.room_bytes <= 4 * come_bytes);
        assert_int_equal(rest, read.reader.room_bytes == SKEP_MAX_FRAME);
    }
    assert_int_equal(come_bytes, SKEP_MAX_FRAME);
    assert_int_equal(read.count, 1);
    assert_int_equal(read.sizes[0], SKEP_MAX_FRAME);
    free(chunk);
    skep__sp_free(&read.reader);
}

/* --- any pieces, in either way --- */

static size_t random_size(uint64_t *seed) {
    return chance(seed, chance(seed, 4) == 0 ? 1200 : 12);
}

static void take_piece(struct read *read, const char *data, size_t size_bytes, uint64_t *seed) {
    bool rest = true;
    size_t n = chance(seed, 2) == 0 ? fill(read, data, size_bytes, &rest) : 0;
    if (rest) take_copy(read, data + n, size_bytes - n);
    else assert_int_equal(n, size_bytes); /* these frames are small: there is room for all */
}

static void test_random_pieces(void **state) {
    static char body[1200];
    static struct stream stream;
    (void)state;
    for (uint64_t round = 1; round <= 300; round++) {
        uint64_t seed = round;
        struct read read = begin_read();
        size_t sizes[FRAMES];
        begin_stream(&stream);
        for (unsigned i = 0; i < FRAMES; i++) {
            sizes[i] = random_size(&seed);
            memset(body, (int)i, sizes[i]);
            add_frame(&stream, body, sizes[i]);
        }
        for (size_t at = 0, n; at < stream.size_bytes; at += n) {
            n = random_size(&seed) + 1;
            if (n > stream.size_bytes - at) n = stream.size_bytes - at;
            take_piece(&read, stream.bytes + at, n, &seed);
        }
        assert_int_equal(read.count, FRAMES);
        assert_memory_equal(read.sizes, sizes, sizeof sizes);
        if (sizes[FRAMES - 1] > 0) assert_int_equal(read.last[0], FRAMES - 1);
        skep__sp_free(&read.reader);
    }
}

static void test_a_route_ends_with_a_marked_number(void **state) {
    (void)state;
    enum { LONGEST = SKEP__SP_MAX_ROUTE * SKEP__SP_NUMBER_BYTES };
    char route[LONGEST + SKEP__SP_NUMBER_BYTES] = {0};
    for (size_t n = SKEP__SP_NUMBER_BYTES; n <= LONGEST; n += SKEP__SP_NUMBER_BYTES) {
        skep__sp_put_number((unsigned char *)route + n - SKEP__SP_NUMBER_BYTES, 0x01020304);
        assert_int_equal(skep__sp_route_bytes(route, sizeof route), n);
        assert_int_equal(skep__sp_route_bytes(route, n), n);
        assert_int_equal(skep__sp_route_bytes(route, n - 1), 0);
        assert_memory_equal(route + n - SKEP__SP_NUMBER_BYTES, "\x81\x02\x03\x04", SKEP__SP_NUMBER_BYTES);
        memset(route, 0, sizeof route);
    }
    skep__sp_put_number((unsigned char *)route + LONGEST, 1);
    assert_int_equal(skep__sp_route_bytes(route, sizeof route), 0); /* too long */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_a_greeting),
        cmocka_unit_test(test_wrong_greetings),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_a_wrong_first_byte),
        cmocka_unit_test(test_frames_in_place),
        cmocka_unit_test(test_split_anywhere),
        cmocka_unit_test(test_freed_in_the_midst),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_a_claim_costs_nothing),
        cmocka_unit_test(test_random_pieces),
        cmocka_unit_test(test_a_route_ends_with_a_marked_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
