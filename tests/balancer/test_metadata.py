from tidegate.balancer.metadata import forwarded, forwarded_trailers


def test_what_belongs_to_one_hop_stays_there():
    hop = [
        (":authority", "here"),
        ("user-agent", "grpc"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "1S"),
        ("connection", "close"),
    ]
    assert forwarded(hop) == ()
    assert forwarded_trailers(hop) == ()
    assert forwarded(None) == forwarded_trailers(None) == ()


def test_the_load_report_of_an_instance_goes_on_under_the_name_that_meshes_know():
    trailers = forwarded_trailers([("tidegate-load-bin", b"I")])
    assert trailers == (("endpoint-load-metrics-bin", b"I"),)


def test_the_mode_is_a_matter_between_balancer_and_instance():
    assert forwarded([("tidegate-mode", "degraded")]) == ()


def test_all_else_goes_on_in_order_with_repeated_keys():
    metadata = [("b", "1"), ("a-bin", b"\x00"), ("b", "2")]
    assert forwarded(metadata) == forwarded_trailers(metadata) == tuple(metadata)


def test_details_and_pushback_of_an_answer_pass_but_not_what_the_balancer_says_itself():
    trailers = [
        ("grpc-status-details-bin", b"x"),
        ("grpc-retry-pushback-ms", "5"),
        ("grpc-message", "x"),
        ("tidegate-served-by", "forged"),
    ]
    assert forwarded_trailers(trailers) == tuple(trailers[:2])
