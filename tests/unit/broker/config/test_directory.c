/* SPDX-License-Identifier: MIT
 * The instance's directory: made, private, owned by one broker at a time, tidied up. */
#include "broker/place.h"

#include <errno.h>
#include <sys/stat.h>

static void expect_unusable(const struct place *place, const char *reason) {
    char why[200];
    assert_int_equal(skep__directory_take(place->cluster), SKEP_EDIR);
    snprintf(why, sizeof why, "%s: directory cannot be used: %s", place->dir, reason);
    assert_string_equal(skep_cluster_why(place->cluster), why);
    assert_int_equal(place->cluster->directory->lock, -1);
}

static void make_text(const struct place *place, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect_text(const struct place *place, const char *name, const char *expected) {
    char path[128], text[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, expected);
}

/* The directory as a broker leaves it that was killed in this generation. */
static void open_left(struct place *place, struct pump *pump, const char *lock) {
    open_place(place, pump, "left");
    assert_int_equal(mkdir(place->dir, 0700), 0);
    if (lock != NULL) make_text(place, "lock", lock);
}

static void test_made_and_private(void **state) {
    struct place place;
    struct stat st;
    open_place(&place, *state, "new");
    expect_taken(&place);
    assert_int_equal(stat(place.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(place.cluster->directory->lock >= 0);
    assert_true(fcntl(place.cluster->directory->lock, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(place.cluster->instance.pid, getpid());
    assert_int_equal(place.cluster->instance.generation, 1);
    assert_string_equal(place.cluster->instance.dir, place.dir);
    close_place(&place);
}

static void test_folders_above_are_made(void **state) {
    struct place place;
    open_place(&place, *state, "a/b/c");
    expect_taken(&place);
    assert_true(exists(&place, "lock"));
    close_place(&place);
    char *slash;
    while ((slash = strrchr(place.dir, '/')) != NULL && strlen(place.dir) > strlen(((struct pump *)*state)->dir)) {
        rmdir(place.dir);
        *slash = '\0';
    }
}

static void test_not_private(void **state) {
    static const mode_t modes[] = {0755, 0750, 0740, 0702, 0777};
    struct place place;
    char reason[80];
    open_place(&place, *state, "open");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_true(mkdir(place.dir, 0700) == 0 || errno == EEXIST);
        assert_int_equal(chmod(place.dir, modes[i]), 0);
        snprintf(reason, sizeof reason, "it is not private (mode %03o, 700 is needed)", (unsigned)modes[i]);
        expect_unusable(&place, reason);
        assert_false(exists(&place, "lock"));
    }
    close_place(&place);
}

static void test_somebody_elses(void **state) {
    struct place place;
    if (geteuid() != 0) skip(); /* only root can give a directory away */
    open_place(&place, *state, "theirs");
    assert_int_equal(mkdir(place.dir, 0700), 0);
    assert_int_equal(chown(place.dir, 65534, 65534), 0);
    expect_unusable(&place, "it belongs to another user");
    assert_false(exists(&place, "lock"));
    close_place(&place);
}

static void test_no_directory(void **state) {
    struct place place;
    open_place(&place, *state, "file");
    int fd = open(place.dir, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    expect_unusable(&place, "it is not a directory");
    unlink(place.dir);
    assert_int_equal(symlink("/", place.dir), 0);
    expect_unusable(&place, "it is not a directory");
    unlink(place.dir);
    snprintf(place.dir, sizeof place.dir, "/proc/no/such");
    assert_int_equal(skep_setup_primary(place.cluster, &(skep_settings){.dir = place.dir}), SKEP_OK);
    expect_unusable(&place, strerror(ENOENT));
    hatch_free(place.pump, &place.cluster);
}

static void test_too_long(void **state) {
    struct place place;
    char name[80];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    open_place(&place, *state, "unused");
    snprintf(place.dir, sizeof place.dir, "/%.77s", name);
    assert_int_equal(skep_setup_primary(place.cluster, &(skep_settings){.dir = place.dir}), SKEP_OK);
    expect_unusable(&place, "its path is longer than 76 bytes");
    hatch_free(place.pump, &place.cluster);
}

/* --- one at a time --- */

static void test_two_brokers(void **state) {
    struct place first, second;
    char why[160];
    open_place(&first, *state, "one");
    open_place(&second, *state, "one");
    expect_taken(&first);
    make_socket(&first, "control.1");
    assert_int_equal(skep__directory_take(second.cluster), SKEP_EBUSY);
    snprintf(why, sizeof why, "%s: another broker owns it (pid %d)", first.dir, (int)getpid());
    assert_string_equal(skep_cluster_why(second.cluster), why);
    assert_true(exists(&first, "control.1"));
    skep__directory_release(second.cluster);
    assert_true(exists(&first, "control.1"));
    skep__directory_release(first.cluster);
    expect_taken(&second);
    hatch_free(first.pump, &first.cluster);
    close_place(&second);
}

static void test_generations_grow(void **state) {
    struct place place;
    char text[64] = "";
    open_place(&place, *state, "again");
    for (uint64_t generation = 1; generation <= 3; generation++) {
        expect_taken(&place);
        assert_int_equal(place.cluster->instance.generation, generation);
        skep__directory_release(place.cluster);
        assert_int_equal(place.cluster->directory->lock, -1);
    }
    expect_taken(&place);
    assert_true(pread(place.cluster->directory->lock, text, sizeof text - 1, 0) > 0);
    int pid = 0, generation = 0;
    assert_int_equal(sscanf(text, "%d %d", &pid, &generation), 2);
    assert_int_equal(pid, getpid());
    assert_int_equal(generation, 4);
    close_place(&place);
}

/* --- files --- */

static void test_sockets_of_the_dead(void **state) {
    static const char *const theirs[] = {"control.7", "outbox.7", "news.7", "inbox.7.3", "intake.6", "returns.7.12"};
    struct place place;
    open_left(&place, *state, "4711 7 left\n");
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) make_socket(&place, theirs[i]);
    make_socket(&place, "web.sock"); /* of a listener, perhaps */
    expect_taken(&place);
    assert_int_equal(place.cluster->instance.generation, 8);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) assert_false(exists(&place, theirs[i]));
    make_socket(&place, "control.8");
    skep__directory_release(place.cluster);
    assert_false(exists(&place, "control.8"));
    assert_true(exists(&place, "web.sock") && exists(&place, "lock"));
    close_place(&place);
}

/* What bears a name like one of Skep's, and everything else, is somebody's. */
static void test_files_of_the_user(void **state) {
    static const char *const names[] = {"news.txt",  "control.conf", "inbox.mbox", "control.7",
                                        "news.7",    "inbox.7.3",    "notes",      ".hidden",
                                        "control.0", "control.",     "outbox.7.x", "lock.old"};
    struct place place;
    char reason[64];
    open_left(&place, *state, "4711 7 left\n");
    make_socket(&place, "outbox.7");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        make_text(&place, names[i], "precious");
        snprintf(reason, sizeof reason, "%s in it is not Skep's", names[i]);
        expect_unusable(&place, reason);
        expect_text(&place, names[i], "precious");
        snprintf(path, sizeof path, "%s/%s", place.dir, names[i]);
        unlink(path);
    }
    expect_text(&place, "lock", "4711 7 left\n");
    assert_true(exists(&place, "outbox.7"));
    expect_taken(&place);
    close_place(&place);
}

/* A refused directory has no lock that it did not have before. */
static void test_sockets_of_the_user(void **state) {
    struct place place;
    open_left(&place, *state, NULL);
    make_socket(&place, "control.1");
    expect_unusable(&place, "control.1 in it is not Skep's");
    assert_true(exists(&place, "control.1"));
    assert_false(exists(&place, "lock"));
    make_text(&place, "lock", "4711 1 left\n");
    make_socket(&place, "control.2");
    expect_unusable(&place, "control.2 in it is not Skep's");
    assert_true(exists(&place, "control.1") && exists(&place, "control.2"));
    close_place(&place);
}

static void test_locks_of_the_user(void **state) {
    static const char *const texts[] = {"precious lock", "4711 7", "4711 7 name", "4711 7 name\nand more", "\n"};
    struct place place;
    char path[128];
    open_left(&place, *state, NULL);
    snprintf(path, sizeof path, "%s/lock", place.dir);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        make_text(&place, "lock", texts[i]);
        expect_unusable(&place, "lock in it is not Skep's");
        expect_text(&place, "lock", texts[i]);
    }
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_unusable(&place, "lock in it is not Skep's");
    unlink(path);
    make_text(&place, "elsewhere", "4711 7 left\n");
    assert_int_equal(symlink("elsewhere", path), 0);
    expect_unusable(&place, "lock in it is not Skep's");
    expect_text(&place, "elsewhere", "4711 7 left\n");
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_unusable(&place, "lock in it is not Skep's");
    rmdir(path);
    make_text(&place, "lock", "");
    snprintf(path, sizeof path, "%s/elsewhere", place.dir);
    unlink(path);
    expect_taken(&place); /* of a broker that was killed as it began */
    close_place(&place);
}

/* --- what is above --- */

static void test_others_may_write_above(void **state) {
    struct place place;
    char why[160], above[80];
    open_place(&place, *state, "above/hive");
    snprintf(above, sizeof above, "%s", place.dir);
    *strrchr(above, '/') = '\0';
    snprintf(why, sizeof why, "others may write to %s", above);
    assert_int_equal(mkdir(above, 0700), 0);
    assert_int_equal(chmod(above, 0777), 0);
    expect_unusable(&place, why);
    assert_int_equal(access(place.dir, F_OK), -1);
    assert_int_equal(chmod(above, 01777), 0);
    expect_taken(&place);
    skep__directory_release(place.cluster);
    if (geteuid() == 0) {
        snprintf(why, sizeof why, "%s belongs to another user", above);
        assert_int_equal(chown(above, 65534, 65534), 0);
        expect_unusable(&place, why);
    }
    close_place(&place);
    rmdir(above);
}

/* A directory that nobody named goes with its broker. */
static void test_ephemeral(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster;
    char dir[SKEP_MAX_DIR + 1];
    unsetenv(SKEP_ENV_DIR);
    setenv("XDG_RUNTIME_DIR", pump->dir, 1);
    assert_int_equal(skep_cluster_new(&cluster, &pump->loop), SKEP_OK);
    assert_int_equal(skep__directory_take(cluster), SKEP_OK);
    unsetenv("XDG_RUNTIME_DIR");
    snprintf(dir, sizeof dir, "%s", cluster->instance.dir);
    assert_int_equal(strncmp(dir, pump->dir, strlen(pump->dir)), 0);
    assert_int_equal(access(dir, F_OK), 0);
    skep__directory_release(cluster);
    assert_int_equal(access(dir, F_OK), -1);
    hatch_free(pump, &cluster);
    snprintf(dir, sizeof dir, "%s/skep", pump->dir);
    rmdir(dir);
}

static void test_named_by_the_environment(void **state) {
    struct pump *pump = *state;
    skep_cluster *cluster;
    char dir[64];
    snprintf(dir, sizeof dir, "%s/env", pump->dir);
    setenv(SKEP_ENV_DIR, dir, 1);
    assert_int_equal(skep_cluster_new(&cluster, &pump->loop), SKEP_OK);
    assert_int_equal(skep__directory_take(cluster), SKEP_OK);
    skep__directory_release(cluster);
    unsetenv(SKEP_ENV_DIR);
    assert_int_equal(access(dir, F_OK), 0); /* it stays */
    hatch_free(pump, &cluster);
    pump_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_made_and_private),
        PUMP_TEST(test_folders_above_are_made),
        PUMP_TEST(test_not_private),
        PUMP_TEST(test_somebody_elses),
        PUMP_TEST(test_no_directory),
        PUMP_TEST(test_too_long),
        PUMP_TEST(test_two_brokers),
        PUMP_TEST(test_generations_grow),
        PUMP_TEST(test_sockets_of_the_dead),
        PUMP_TEST(test_files_of_the_user),
        PUMP_TEST(test_sockets_of_the_user),
        PUMP_TEST(test_locks_of_the_user),
        PUMP_TEST(test_others_may_write_above),
        PUMP_TEST(test_ephemeral),
        PUMP_TEST(test_named_by_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
