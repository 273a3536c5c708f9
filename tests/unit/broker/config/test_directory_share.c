/* SPDX-License-Identifier: MIT
 * The instance's directory, with workers of another user. */
#include "broker/hatch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "config/private.h"

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

/* An earlier broker had workers of another user. */
static void test_closed_to_others_again(void **state) {
    struct pump *pump = *state;
    mode_t mode;
    assert_int_equal(chmod(pump->dir, 0711), 0);
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){0});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    owner_of(pump, "", &mode);
    assert_int_equal(mode, 0700);
    hatch_free(pump, &cluster);
}

/* Who cannot have workers of another user is advised. */
static void test_not_without_root(void **state) {
    struct pump *pump = *state;
    const struct skep__program program = {.set_ids = true, .uid = geteuid() + 1, .gid = getegid()};
    if (geteuid() == 0) skip();
    skep_cluster *cluster = hatch_cluster(pump, &(skep_settings){0});
    assert_int_equal(skep_cluster_start(cluster), SKEP_OK);
    assert_int_equal(skep__directory_share(cluster, &program), SKEP_EACCES);
    assert_non_null(strstr(skep_cluster_why(cluster), "; only root can start workers as another user"));
    hatch_free(pump, &cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        PUMP_TEST(test_shared_with_another_user),
        PUMP_TEST(test_shared_with_two_users),
        PUMP_TEST(test_closed_to_others_again),
        PUMP_TEST(test_not_without_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
