<?php
// php send.php REFERENCE PHONE AMOUNT: airtime for one phone, over HTTP, with PHP 8 alone.
[, $reference, $phone, $amount] = $argv;

// send hands a job in until it is held. Its reference makes any number of tries one payment.
function send(array $job): string
{
    $context = stream_context_create(["http" => [
        "method" => "POST",
        "header" => ["Authorization: Bearer " . getenv("AIRTIME_TOKEN"),
                     "Content-Type: application/json"],
        "content" => json_encode($job),
        "ignore_errors" => true, // Read the body of a refusal, too.
        "timeout" => 60,
    ]]);
    for ($wait = 1; $wait <= 16; $wait *= 2) {
        $http_response_header = [];
        $body = @file_get_contents(getenv("AIRTIME_URL") . "/v1/disbursals", false, $context);
        $status = (int) (explode(" ", $http_response_header[0] ?? "")[1] ?? 0);
        if ($status === 200 || $status === 202) {
            return $body;
        }
        if ($status !== 0 && $status !== 429 && $status !== 503) {
            fwrite(STDERR, "refused ($status): $body");
            exit(1);
        }
        fwrite(STDERR, "no answer yet: asking again\n");
        sleep($wait);
    }
    fwrite(STDERR, "not confirmed: send the same job again, with the same reference\n");
    exit(1);
}

echo send(["reference" => $reference,
           "recipients" => [["phone_number" => $phone, "amount" => $amount]]]);
