/* SPDX-License-Identifier: MIT
 * The instance's directory: made, private, owned by one broker at a time, tidied up. */
#include "hatch.h"

#include <errno.h>
#include <sys/stat.h>

#include "directory.h"

struct place {
    struct pump *pump;
    skep_cluster *cluster;
    char dir[80];
};

static void open_place(struct place *place, struct pump *pump, const char *dir) {
    place->pump = pump;
    snprintf(place->dir, sizeof place->dir, "%s/%s", pump->dir, dir);
    assert_int_equal(skep_cluster_new(&place->cluster, &pump->loop), SKEP_OK);
    assert_int_equal(skep_setup_primary(place->cluster, &(skep_settings){.dir = place->dir}), SKEP_OK);
}

static void close_place(struct place *place) {
    skep__directory_release(place->cluster);
    hatch_free(place->pump, &place->cluster);
    pump_remove(place->dir);
}

static void expect_taken(const struct place *place) {
    if (skep__directory_take(place->cluster) != SKEP_OK) fail_msg("%s", skep_cluster_why(place->cluster));
}

static void expect_unusable(const struct place *place, const char *reason) {
    char why[200];
    assert_int_equal(skep__directory_take(place->cluster), SKEP_EDIR);
    snprintf(why, sizeof why, "%s: directory cannot be used: %s", place->dir, reason);
    assert_string_equal(skep_cluster_why(place->cluster), why);
    assert_int_equal(place->cluster->lock, -1);
}

static bool exists(const struct place *place, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    return access(path, F_OK) == 0;
}

static void make_file(const struct place *place, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", place->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void test_made_and_private(void **state) {
    struct place place;
    struct stat st;
    open_place(&place, *state, "new");
    expect_taken(&place);
    assert_int_equal(stat(place.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_true(place.cluster->lock >= 0);
    assert_true(fcntl(place.cluster->lock, F_GETFD) & FD_CLOEXEC);
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
    make_file(&first, "control.1");
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
        assert_int_equal(place.cluster->lock, -1);
    }
    expect_taken(&place);
    assert_true(pread(place.cluster->lock, text, sizeof text - 1, 0) > 0);
    int pid = 0, generation = 0;
    assert_int_equal(sscanf(text, "%d %d", &pid, &generation), 2);
    assert_int_equal(pid, getpid());
    assert_int_equal(generation, 4);
    close_place(&place);
}

/* --- files --- */

static void test_sockets_of_the_dead(void **state) {
    struct place place;
    open_place(&place, *state, "left");
    assert_int_equal(mkdir(place.dir, 0700), 0);
    make_file(&place, "control.7");
    make_file(&place, "outbox.7");
    make_file(&place, "news.7");
    make_file(&place, "inbox.7.3");
    make_file(&place, "notes");
    expect_taken(&place);
    assert_false(exists(&place, "control.7") || exists(&place, "outbox.7") || exists(&place, "news.7"));
    assert_false(exists(&place, "inbox.7.3"));
    assert_true(exists(&place, "notes")); /* not ours */
    make_file(&place, "control.8");
    skep__directory_release(place.cluster);
    assert_false(exists(&place, "control.8"));
    assert_true(exists(&place, "notes") && exists(&place, "lock"));
    close_place(&place);
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

/* --- workers of another user --- */

static uid_t owner_of(const struct pump *pump, const char *name, mode_t *mode) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", pump->dir, name);
    assert_int_equal(stat(path, &st), 0);
    *mode = st.st_mode & 0777;
    return st.st_uid;
}

static void test_shared_with_another_user(void **state) {
    struct pump *pump = *state;
    const struct skep__program program = {.set_ids = true, .uid = 65534, .gid = 65534};
    char inbox[128];
    mode_t mode;
    if (geteuid() != 0) skip();
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){0});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    assert_false(skep__hub_trusts(cluster->hub, 65534));
    assert_int_equal(skep__directory_share(cluster, &program), SKEP_OK);
    assert_true(skep__hub_trusts(cluster->hub, 65534));
    assert_int_equal(owner_of(pump, "", &mode), 0);
    assert_int_equal(mode, 0711); /* passed through, not looked into */
    assert_int_equal(owner_of(pump, "outbox.1", &mode), 65534);
    assert_int_equal(mode, 0600);
    assert_int_equal(owner_of(pump, "news.1", &mode), 65534);
    assert_int_equal(owner_of(pump, "control.1", &mode), 0);
    assert_int_equal(mode, 0600);

    snprintf(inbox, sizeof inbox, "%s/inbox.1.5", pump->dir);
    close(open(inbox, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(skep__directory_give_inbox(cluster, 5, &program), SKEP_OK);
    assert_int_equal(owner_of(pump, "inbox.1.5", &mode), 65534);
    unlink(inbox);
    assert_int_equal(skep__directory_give_inbox(cluster, 5, &program), SKEP_EACCES);
    hatch_free(pump, &cluster);
}

/* Sockets for all workers must let both users in; the broker decides by the peer whom it admits. */
static void test_shared_with_two_users(void **state) {
    struct pump *pump = *state;
    struct skep__program program = {.set_ids = true, .uid = 65534, .gid = 65534};
    mode_t mode;
    if (geteuid() != 0) skip();
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){0});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    for (program.uid = 65534; program.uid > 65534 - 16; program.uid--)
        assert_int_equal(skep__directory_share(cluster, &program), SKEP_OK);
    assert_int_equal(owner_of(pump, "outbox.1", &mode), 65534);
    assert_int_equal(mode, 0666);
    assert_int_equal(owner_of(pump, "control.1", &mode), 0);
    assert_int_equal(mode, 0600);
    assert_true(skep__hub_trusts(cluster->hub, 65534) && skep__hub_trusts(cluster->hub, 65534 - 15));
    assert_false(skep__hub_trusts(cluster->hub, 65534 - 16));
    assert_int_equal(skep__directory_share(cluster, &program), SKEP_ETOOBIG);
    hatch_free(pump, &cluster);
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
        PUMP_TEST(test_ephemeral),
        PUMP_TEST(test_named_by_the_environment),
        PUMP_TEST(test_shared_with_another_user),
        PUMP_TEST(test_shared_with_two_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
