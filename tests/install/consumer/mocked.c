/* SPDX-License-Identifier: MIT
 * The smallest test with a mock broker. */
#include <skep/mock.h>
#include <stdio.h>

int main(void) {
    skep_mock *mock = NULL;
    uint64_t job = 0;
    int status = skep_mock_broker_new(&mock, NULL);
    if (status == SKEP_OK) status = skep_mock_submit(mock, "q", "x", 1, NULL, &job);
    if (status == SKEP_OK) status = skep_mock_finish(mock, job, "y", 1);
    skep_mock_broker_free(&mock);
    printf("skep %s\n", status == SKEP_OK ? skep_version() : skep_strerror(status));
    return skep_exit_status(status);
}
